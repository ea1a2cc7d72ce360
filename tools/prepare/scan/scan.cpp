// SPDX-License-Identifier: Apache-2.0
#include "prepare/scan/scan.hpp"

#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/scan/scan_layouts.hpp"

#include <algorithm>
#include <set>

namespace harmofl::prepare {
namespace {

/// How an input folder may be laid out.
struct Layout {
  const char* name;
  Sources (*scan)(const Options& options);
  bool one_source;       ///< The user tells its sites.
  const char* expected;  ///< What the folder must hold.
};

constexpr Layout layouts[] = {
    {"folders", scan_folders, false,
     "<site>/<id>.png with <id>_mask.png, or <site>/<class>/<id>.png"},
    {"monuseg", scan_monuseg, true, "images and outlines <id>.xml of the same names"},
    {"monusac", scan_monusac, true, "<patient>/<id>.tif with <patient>/<id>.xml"},
    {"tnbc", scan_tnbc, true, "Slide_<n>/<id>.png with GT_<n>/<id>.png"},
    {"medmnist", scan_medmnist, false, "<site>.npz"},
    {"authors", scan_authors, false, "<site>/{train,val,test}/{images,labels}/<id>.png"},
};

const Layout& layout_of(const std::string& name) {
  const auto* found = std::find_if(std::begin(layouts), std::end(layouts),
                                   [&](const Layout& layout) { return layout.name == name; });
  HARMOFL_ASSERT(found != std::end(layouts));
  return *found;
}

/// Site names become file names and names of HDF5 groups.
void check_site_name(const std::string& site) {
  const bool bad = site.empty() || site.front() == '.' ||
                   site.find_first_of("/,") != std::string::npos || !is_printable(site);
  HARMOFL_VALIDATE(!bad, "'", site, "' cannot name a site: it must be UTF-8 without control ",
                   "characters, not be empty, not start with '.', and not have '/' or ','. ",
                   "Rename it.");
}

/// Names reach tables, JSON and messages.
void check_names(const Sample& sample, const std::string& whose) {
  for (const std::string& name : {sample.id, sample.label, sample.patient}) {
    HARMOFL_VALIDATE(is_printable(name), whose, ": the name '", name, "' is not UTF-8 without ",
                     "control characters. Rename it.");
  }
}

void check_file(const std::filesystem::path& file, const std::string& whose) {
  const std::string why = why_not_a_file(file);
  HARMOFL_VALIDATE(why.empty(), file.string(), ": ", why, ", but ", whose,
                   " needs it. Put the file there or leave the image out.");
}

void check_sample(const std::string& site, const Sample& sample, Task task) {
  const std::string whose = concat("image '", sample.id, "' of site '", site, "'");
  check_names(sample, whose);
  check_file(sample.image, whose);
  if (task == Task::classification) {
    HARMOFL_VALIDATE(!sample.label.empty(), whose, " has no label. Give every row a label.");
    return;
  }
  check_file(sample.mask, whose);
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

/// Names of the classes of masks.
std::vector<std::string> mask_class_names(const Options& options) {
  if (!options.class_names.empty()) return options.class_names;
  const std::size_t count = options.mask.class_count();
  if (count == 2) return {"background", "foreground"};
  std::vector<std::string> names{"background"};
  for (std::size_t number = 1; number < count; ++number) names.push_back(concat("class", number));
  return names;
}

std::vector<std::string> label_names(const Sources& sources) {
  std::set<std::string, decltype(&label_before)> names(&label_before);
  for (const auto& [site, samples] : sources.sites) {
    for (const Sample& sample : samples) names.insert(sample.label);
  }
  return {names.begin(), names.end()};
}

}  // namespace

std::vector<std::string> layout_names() {
  std::vector<std::string> names;
  for (const Layout& layout : layouts) names.emplace_back(layout.name);
  return names;
}

bool layout_has_one_source(const std::string& layout) { return layout_of(layout).one_source; }

Sources scan(const Options& options) {
  HARMOFL_VALIDATE(std::filesystem::is_directory(options.input), options.input.string(),
                   ": this is not a folder. Give --input a folder with one sub-folder a site.");
  const Layout& layout = layout_of(options.layout);
  Sources sources = options.list ? scan_list(options) : layout.scan(options);
  HARMOFL_VALIDATE(!sources.sites.empty(), options.input.string(), ": there are no images. ",
                   "Expected ", layout.expected, ".");
  for (auto& [site, samples] : sources.sites) check_site(site, samples, sources.task);
  const bool masks = sources.task == Task::segmentation;
  HARMOFL_VALIDATE(masks || (options.class_names.empty() && options.mask.classes.empty() &&
                             !options.mask.threshold),
                   options.input.string(), ": these are images with labels, for which ",
                   "--class-names, --mask-values, --mask-threshold and --instances mean nothing. "
                   "Leave them out.");
  sources.class_names = masks ? mask_class_names(options) : label_names(sources);
  return sources;
}

}  // namespace harmofl::prepare
