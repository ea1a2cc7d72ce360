// SPDX-License-Identifier: Apache-2.0
#include "app/commands/watch/run_reader.hpp"

#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "model/measures/measure_table.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <functional>
#include <numeric>
#include <system_error>
#include <unistd.h>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t usual_rounds = 10;  ///< So many of the last ones say what is usual.
constexpr const char* not_a_run = "Watch a folder that harmofl wrote.";

std::string own_host() {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  return host;
}

/// Whether a process of this machine is there and has not ended. One that has may keep its number
/// for as long as nobody asks how it ended; its state, behind its name in parentheses, is then Z.
bool is_alive(std::int64_t process) {
  if (kill(static_cast<pid_t>(process), 0) != 0 && errno != EPERM) return false;
  std::string line;
  std::getline(std::ifstream(concat("/proc/", process, "/stat")), line);
  const std::size_t name_end = line.rfind(") ");
  return name_end == std::string::npos || line.compare(name_end + 2, 1, "Z") != 0;
}

/// "process 4711 on node3, Slurm job 88, since ...", as the job signed the lock; "" without one.
std::string signature_in(const fs::path& folder) {
  std::string line;
  std::getline(std::ifstream(folder / ".lock"), line);
  return line;
}

/// Whether the process of a signature is there; none where it is on another machine.
std::optional<bool> alive_by(const std::string& signature) {
  const std::string start = "process ", middle = " on ";
  const std::size_t end = signature.find(middle);
  if (!signature.starts_with(start) || end == std::string::npos) return std::nullopt;
  const auto process = parse_whole(signature.substr(start.size(), end - start.size()));
  const std::string rest = signature.substr(end + middle.size());
  if (!process || rest.substr(0, rest.find(',')) != own_host()) return std::nullopt;
  return is_alive(*process);
}

double mean_of_last(const std::vector<double>& values, std::size_t most) {
  const std::size_t count = std::min(most, values.size());
  if (count == 0) return 0.0;
  return std::accumulate(values.end() - static_cast<std::ptrdiff_t>(count), values.end(), 0.0) /
         static_cast<double>(count);
}

/// The text of a key in run.json's configuration; "" where it has none.
std::string key_text(const JsonValue& config, const std::string& section, const std::string& key) {
  const auto keys = config.find(section);
  const auto value = keys ? keys->find(key) : std::nullopt;
  return value ? value->text() : "";
}

/// "node3: site_1, site_2".
std::string place_of(const JsonValue& rank) {
  std::vector<std::string> sites;
  for (const JsonValue& site : rank.at("sites").items()) sites.push_back(site.text());
  constexpr std::size_t few = 3;
  return concat(rank.at("host").text(), sites.empty() ? "" : ": ",
                sites.size() <= few ? join(sites) : concat(sites.size(), " clients"));
}

/// The measure that a line has, of those that the best round is chosen by where nothing is said.
std::string main_measure(const JsonValue& line) {
  for (const Task task : {Task::segmentation, Task::classification}) {
    const std::string name(main_metric(task));
    if (line.find(name)) return name;
  }
  return "";
}

}  // namespace

RunReader::RunReader(fs::path folder)
    : folder_(std::move(folder)),
      rounds_file_(folder_ / "rounds.jsonl"),
      metrics_file_(folder_ / "metrics.jsonl") {
  std::error_code failed;
  HARMOFL_VALIDATE(fs::is_directory(folder_, failed), folder_.string(),
                   ": is not a folder. Give the one that run.output named.");
  const bool run = std::ranges::any_of(
      std::vector<std::string>{"run.json", "rounds.jsonl", ".lock"},
      [&](const std::string& name) { return fs::exists(folder_ / name, failed); });
  HARMOFL_VALIDATE(run, folder_.string(), ": is not the folder of a run: it has neither run.json ",
                   "nor rounds.jsonl. Give the one that run.output named.");
  view_.folder = folder_.string();
  view_.name = folder_.filename().string();
}

const RunView& RunReader::look(double now_s) {
  std::error_code failed;
  HARMOFL_VALIDATE(fs::is_directory(folder_, failed), folder_.string(),
                   ": the folder is gone. Watch it where it is now.");
  read_description();
  read_rounds();
  read_metrics();
  read_summary();
  look_at_job(now_s);
  return view_;
}

template <class Take>
void RunReader::take_lines(const std::vector<std::string>& lines, const Take& take) {
  for (const std::string& line : lines) {
    try {
      const auto parsed = parse_json(line, max_json_depth);
      take(JsonValue(parsed, folder_.string(), not_a_run));
    } catch (const JsonError&) {
      ++view_.unread_lines;
    } catch (const UserError&) {
      ++view_.unread_lines;
    }
  }
}

// Replaced as a whole whenever a process goes on with the run.
void RunReader::read_description() {
  const double written = written_at_s(folder_ / "run.json");
  if (written < 0.0 || written == described_at_s_) return;
  described_at_s_ = written;
  processes_.clear();
  places_.clear();
  take_lines({read_text_file(folder_ / "run.json")}, [&](const JsonValue& run) {
    const JsonValue config = run.at("config");
    view_.name = run.at("name").text();
    view_.method = key_text(config, "algorithm", "name");
    wanted_measure_ = key_text(config, "run", "best_by");
    view_.rounds_wanted = parse_whole(key_text(config, "run", "rounds")).value_or(0);
    for (const JsonValue& rank : run.at("ranks").items()) {
      if (places_.empty()) processes_[rank.at("host").text()] = rank.at("process_id").whole({0});
      places_.push_back(place_of(rank));
    }
  });
  view_.ranks = std::max<std::int64_t>(1, std::ssize(places_));
}

void RunReader::read_rounds() {
  const LineFile::News news = rounds_file_.read();
  if (news.from_the_start) {
    view_.rounds_done = 0;
    view_.lost.clear();
    view_.phases.clear();
    view_.waiting.reset();
    round_seconds_.clear();
  }
  take_lines(news.lines, [&](const JsonValue& line) { take_round(line); });
  view_.usual_s = mean_of_last(round_seconds_, usual_rounds);
  view_.last_round_s = round_seconds_.empty() ? 0.0 : round_seconds_.back();
}

void RunReader::take_round(const JsonValue& line) {
  const std::int64_t round = line.at("round").whole({0});
  round_seconds_.push_back(line.at("seconds").finite());
  view_.rounds_done = round + 1;
  if (const auto lost = line.find("lost")) {
    for (const auto& [reason, clients] : lost->members()) view_.lost[reason] += clients.whole({0});
  }
  view_.phases.clear();
  if (const auto phases = line.find("phases")) {
    for (const auto& [name, seconds] : phases->members()) {
      view_.phases.push_back({name, seconds.at("mean").number(), seconds.at("max").number()});
    }
  }
  std::ranges::sort(view_.phases, std::greater(), &PhaseShare::mean_s);
  view_.waiting.reset();
  if (const auto waiting = line.find("waiting")) {
    const std::int64_t awaited = waiting->at("awaited_rank").whole({0});
    const bool known = awaited < std::ssize(places_);
    view_.waiting = Waiting{waiting->at("rank").whole({0}), waiting->at("seconds").number(),
                            awaited, known ? places_[static_cast<std::size_t>(awaited)] : ""};
  }
}

void RunReader::read_metrics() {
  const LineFile::News news = metrics_file_.read();
  if (news.from_the_start) {
    view_.measured.clear();
    view_.sites.clear();
    site_rows_.clear();
    train_losses_.clear();
  }
  take_lines(news.lines, [&](const JsonValue& line) { take_score(line); });
  for (SiteTrack& site : view_.sites) {
    site.val.resize(view_.measured.size());
    site.test.resize(view_.measured.size());
  }
  view_.lower_is_better = !view_.measure.empty() && lower_is_better(view_.measure);
  view_.best = best_measured(view_);
  view_.train_loss.clear();
  for (const auto& [round, loss] : train_losses_) {
    view_.train_loss.push_back(loss.first / static_cast<double>(loss.second));
  }
}

void RunReader::take_score(const JsonValue& line) {
  const std::int64_t round = line.at("round").whole({0});
  const std::string split = line.at("split").text();
  if (split == to_string(Split::train)) {
    if (const auto loss = line.find("loss")) {
      train_losses_[round].first += loss->number();
      ++train_losses_[round].second;
    }
    return;
  }
  take_value(line, round, split == to_string(Split::val));
}

// All lines of a round come together, so that its place is the last one.
void RunReader::take_value(const JsonValue& line, std::int64_t round, bool val) {
  const bool open = wanted_measure_.empty() || wanted_measure_ == "auto";
  if (view_.measure.empty()) view_.measure = open ? main_measure(line) : wanted_measure_;
  if (view_.measured.empty() || view_.measured.back() != round) view_.measured.push_back(round);
  const std::string name = line.at("site").text();
  const auto [row, added] = site_rows_.try_emplace(name, view_.sites.size());
  if (added) view_.sites.push_back({name, line.find("held_out").has_value()});
  SiteTrack& site = view_.sites[row->second];
  std::vector<std::optional<double>>& track = val ? site.val : site.test;
  track.resize(view_.measured.size());
  if (const auto value = line.find(view_.measure)) track.back() = value->number();
}

void RunReader::read_summary() {
  const double written = written_at_s(folder_ / "summary.json");
  if (written == summarized_at_s_) return;
  summarized_at_s_ = written;
  summary_rounds_ = -1;
  if (written < 0.0) return;
  take_lines({read_text_file(folder_ / "summary.json")}, [&](const JsonValue& summary) {
    summary_rounds_ = summary.at("rounds").whole({0});
    const auto stopped_by = summary.find("stopped_by");
    view_.stopped_by = stopped_by ? stopped_by->text() : "";
  });
}

void RunReader::look_at_job(double now_s) {
  const double saved = written_at_s(folder_ / "checkpoint.h5");
  view_.saved_age_s.reset();
  if (saved >= 0.0) view_.saved_age_s = std::max(0.0, now_s - saved);
  const double round_at = written_at_s(folder_ / "rounds.jsonl");
  const double news = view_.rounds_done > 0 ? std::max(round_at, described_at_s_) : described_at_s_;
  view_.news_age_s = news < 0.0 ? 0.0 : std::max(0.0, now_s - news);
  view_.writer = signature_in(folder_);
  RunSigns signs{.finished = summary_rounds_ >= 0 && summary_rounds_ == view_.rounds_done,
                 .locked = !view_.writer.empty(),
                 .alive = alive_by(view_.writer),
                 .rounds = view_.rounds_done,
                 .news_age_s = view_.news_age_s,
                 .usual_s = view_.usual_s};
  const auto own = processes_.find(own_host());
  if (!signs.locked && own != processes_.end()) signs.alive = is_alive(own->second);
  view_.phase = phase_of(signs);
}

}  // namespace harmofl
