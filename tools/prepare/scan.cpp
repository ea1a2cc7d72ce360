// SPDX-License-Identifier: Apache-2.0
#include "prepare/scan.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/scan_layouts.hpp"

#include <algorithm>
#include <set>
#include <system_error>

namespace harmofl::prepare {
namespace {

/// Site names become file names and names of HDF5 groups.
void check_site_name(const std::string& site) {
  const bool bad = site.empty() || site.front() == '.' ||
                   std::any_of(site.begin(), site.end(), [](unsigned char letter) {
                     return letter < ' ' || letter == '/' || letter == ',';
                   });
  HARMOFL_VALIDATE(!bad, "'", site, "' cannot name a site: it must not be empty, start with '.', ",
                   "or have '/' or ','. Rename it.");
}

/// Whether that is a file; a name that is too long for one, say, is not.
bool is_file(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

void check_sample(const std::string& site, const Sample& sample, Task task) {
  const std::string whose = concat("image '", sample.id, "' of site '", site, "'");
  HARMOFL_VALIDATE(is_file(sample.image), sample.image.string(), ": there is no such file, but ",
                   whose, " needs it. Add the file or leave the ", "image out.");
  if (task == Task::classification) {
    HARMOFL_VALIDATE(!sample.label.empty(), whose, " has no label. Give every row a label.");
    return;
  }
  HARMOFL_VALIDATE(is_file(sample.mask), sample.mask.string(), ": there is no such mask, but ",
                   whose, " needs one. Add the mask or leave the ", "image out.");
}

void check_site(const std::string& site, std::vector<Sample>& samples, Task task) {
  check_site_name(site);
  std::sort(samples.begin(), samples.end(),
            [](const Sample& a, const Sample& b) { return a.id < b.id; });
  for (std::size_t i = 0; i < samples.size(); ++i) {
    HARMOFL_VALIDATE(i == 0 || samples[i].id != samples[i - 1].id, "site '", site, "' has the id '",
                     samples[i].id, "' twice. Ids must be unique in a site.");
    check_sample(site, samples[i], task);
  }
}

/// Whole numbers in their order, then all other names in alphabetical order.
bool label_before(const std::string& a, const std::string& b) {
  const auto x = parse_whole(a);
  const auto y = parse_whole(b);
  if (x && y && *x != *y) return *x < *y;
  if (x.has_value() != y.has_value()) return x.has_value();
  return a < b;
}

std::vector<std::string> class_names(const Sources& sources) {
  if (sources.task == Task::segmentation) return {"background", "foreground"};
  std::set<std::string, decltype(&label_before)> names(&label_before);
  for (const auto& [site, samples] : sources.sites) {
    for (const Sample& sample : samples) names.insert(sample.label);
  }
  return {names.begin(), names.end()};
}

}  // namespace

Sources scan(const Options& options) {
  HARMOFL_VALIDATE(std::filesystem::is_directory(options.input), options.input.string(),
                   ": this is not a folder. Give --input a folder with one sub-folder a site.");
  Sources sources = options.list ? scan_list(options) : scan_folders(options);
  HARMOFL_VALIDATE(!sources.sites.empty(), options.input.string(), ": there are no images. ",
                   "Expected <site>/<id>.png with <id>_mask.png, or <site>/<class>/<id>.png.");
  for (auto& [site, samples] : sources.sites) check_site(site, samples, sources.task);
  sources.class_names = class_names(sources);
  return sources;
}

}  // namespace harmofl::prepare
