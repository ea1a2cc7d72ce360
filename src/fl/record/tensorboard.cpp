// SPDX-License-Identifier: Apache-2.0
#include "fl/record/tensorboard.hpp"

#include "fl/record/split_summary.hpp"
#include "harmofl/base/text.hpp"
#include "io/formats/png_writer.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <map>
#include <sstream>
#include <system_error>
#include <unistd.h>

namespace harmofl {
namespace {

using nlohmann::json;

double now_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  char host[256] = "host";
  gethostname(host, sizeof host - 1);
  return host;
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    names.push_back(entry->path().filename().string());
  }
  return names;
}

/// The text as Markdown that shows it as it is.
std::string as_code(const std::string& text) {
  std::istringstream lines(text);
  std::string code;
  for (std::string line; std::getline(lines, line);) code += "    " + line + "\n";
  return code;
}

void add_scores(const std::vector<Score>& scores, const Federation& federation,
                std::vector<EventScalar>& scalars) {
  std::map<std::string, std::pair<std::string, std::vector<double>>> by_site;  // name, values
  for (const Score& score : scores) {
    const bool train = score.split == Split::train;
    const Member& member = train ? federation.members.at(score.client.position())
                                 : federation.measured_at(score.client);
    for (const auto& [name, value] : score.values) {
      const std::string group = concat(to_string(score.split), "_", name);
      scalars.push_back({concat(group, "/", printable(member.site)), value});
      if (!train && federation.is_held_out(score.client)) continue;
      by_site[group].first = name;
      by_site[group].second.push_back(value);
    }
  }
  for (const auto& [group, values] : by_site) {
    scalars.push_back({"mean/" + group, harmofl::mean_over_sites(values.first, values.second)});
  }
}

void add_record(const json& record, std::vector<EventScalar>& scalars) {
  for (const auto& [name, value] : record.items()) {
    if (name == "round") continue;
    if (value.is_number()) scalars.push_back({"round/" + name, value.get<double>()});
    if (name.starts_with("peak_"))
      scalars.push_back({"round/" + name, value.at("max").get<double>()});
  }
  for (const auto& [reason, clients] : record.at("lost").items()) {
    scalars.push_back({"lost/" + reason, clients.get<double>()});
  }
  if (!record.contains("phases")) return;
  for (const auto& [phase, seconds] : record.at("phases").items()) {
    scalars.push_back({"phase/" + phase, seconds.at("mean").get<double>()});
    scalars.push_back({"phase_max/" + phase, seconds.at("max").get<double>()});
  }
}

}  // namespace

std::vector<EventScalar> round_scalars(const std::vector<Score>& scores,
                                       const Federation& federation, const RoundRecord& round) {
  std::vector<EventScalar> scalars;
  add_scores(scores, federation, scalars);
  add_record(round.to_json(), scalars);
  return scalars;
}

std::vector<EventImage> round_images(const std::vector<Picture>& pictures,
                                     const Federation& federation) {
  std::vector<EventImage> images;
  for (const Picture& picture : pictures) {
    const std::string site = printable(federation.measured_at(picture.measured).site);
    images.push_back({concat("images/", site, "/", to_string(picture.split), "_", picture.position),
                      picture.height, picture.width,
                      colour_png(picture.pixels, picture.height, picture.width)});
  }
  return images;
}

Tensorboard::Tensorboard(const RunFolder& folder, const std::string& config, RoundId first)
    : folder_(folder),
      file_(event_file_name(static_cast<std::int64_t>(now_s()), host_name(), getpid(),
                            names_in(folder.events()))) {
  const double time_s = now_s();
  EventValues text;
  text.texts.push_back({"configuration", as_code(config)});
  folder_.append_events(file_, concat(first_event(time_s), start_event(time_s, first.value()),
                                      values_event(time_s, first.value(), text)));
}

void Tensorboard::write(RoundId round, const EventValues& values) const {
  folder_.append_events(file_, values_event(now_s(), round.value(), values));
}

}  // namespace harmofl
