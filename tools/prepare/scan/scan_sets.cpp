// SPDX-License-Identifier: Apache-2.0
// The layouts of published sets of stained nuclei.
#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "io/formats/csv.hpp"
#include "prepare/scan/folder_content.hpp"
#include "prepare/scan/scan_layouts.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace harmofl::prepare {
namespace {

namespace fs = std::filesystem;

constexpr int max_depth = 6;  ///< Of folders below the input; links may lead in a circle.

/// All images and outlines below a folder.
void collect(const fs::path& folder, int depth, FolderContent& all) {
  HARMOFL_VALIDATE(depth <= max_depth, folder.string(), ": lies more than ", max_depth,
                   " folders below the input. Give --input the folder of the set.");
  const FolderContent found = list_folder(folder);
  all.images.insert(all.images.end(), found.images.begin(), found.images.end());
  all.outlines.insert(all.outlines.end(), found.outlines.begin(), found.outlines.end());
  for (const fs::path& below : found.folders) collect(below, depth + 1, all);
}

bool is_svs(const fs::path& path) { return path.extension() == ".svs"; }

/// The images without those .svs files beside which the same image lies in another format.
std::vector<fs::path> without_doubles(const std::vector<fs::path>& images) {
  std::set<fs::path> others;
  for (const fs::path& image : images) {
    if (!is_svs(image)) others.insert(image.parent_path() / image.stem());
  }
  std::vector<fs::path> kept;
  for (const fs::path& image : images) {
    const bool twice = is_svs(image) && others.contains(image.parent_path() / image.stem());
    if (!twice) kept.push_back(image);
  }
  return kept;
}

/// "TCGA-18-5592" of "TCGA-18-5592-01Z-00-DX1", the patient's part of a TCGA barcode; "" of other
/// names.
std::string tcga_patient(const std::string& name) {
  if (!name.starts_with("TCGA-")) return {};
  std::size_t end = std::string("TCGA-").size();
  end = name.find('-', end);
  if (end == std::string::npos) return {};
  return name.substr(0, name.find('-', end + 1));
}

/// Images with the outlines of the same name; `patient_of` tells whose an image is.
std::vector<Sample> outlined_samples(const Options& options,
                                     std::string (*patient_of)(const fs::path& image)) {
  FolderContent all;
  collect(options.input, 0, all);
  std::map<std::string, fs::path> outlines = by_stem(all.outlines);
  std::vector<Sample> samples;
  for (const auto& [stem, image] : by_stem(without_doubles(all.images))) {
    const auto found = outlines.find(stem);
    HARMOFL_VALIDATE(found != outlines.end(), image.string(), ": there are no outlines ", stem,
                     ".xml of this image below ", options.input.string(),
                     ". Add them, or take the image away.");
    samples.push_back({.id = stem,
                       .image = image,
                       .mask = found->second,
                       .label = {},
                       .split = {},
                       .patient = patient_of(image)});
    outlines.erase(found);
  }
  HARMOFL_VALIDATE(outlines.empty(), outlines.begin()->second.string(),
                   ": these outlines have no image of the same name below ", options.input.string(),
                   ". Add it, or take the outlines away.");
  return samples;
}

/// Sites by the name of an image or of a patient.
struct SiteTable {
  std::string key;  ///< "image" or "patient".
  std::map<std::string, std::string> sites{};
};

SiteTable read_site_table(const fs::path& path) {
  const CsvTable table = read_csv(path);
  HARMOFL_VALIDATE(table.has("site") && (table.has("image") || table.has("patient")), path.string(),
                   ": there must be a column 'site', and 'image' or 'patient'; found: ",
                   join(table.columns), ". Write one row an image, or one a patient.");
  SiteTable found{table.has("image") ? "image" : "patient"};
  for (const auto& row : table.rows) {
    const bool fresh = found.sites.emplace(row.at(found.key), row.at("site")).second;
    HARMOFL_VALIDATE(fresh, path.string(), ": the ", found.key, " '", row.at(found.key),
                     "' stands there twice. Give each one site.");
  }
  return found;
}

std::vector<Sample> authors_split(const fs::path& folder, Split split) {
  const auto images = by_stem(list_folder(folder / "images").images);
  auto labels = by_stem(list_folder(folder / "labels").images);
  std::vector<Sample> samples;
  for (const auto& [stem, image] : images) {
    HARMOFL_VALIDATE(labels.contains(stem), image.string(), ": there is no mask ", stem,
                     ".png (or of another ending) in ", (folder / "labels").string(),
                     ". Add it, or take the image away.");
    samples.push_back({.id = concat(to_string(split), "/", stem),
                       .image = image,
                       .mask = labels.at(stem),
                       .label = {},
                       .split = split,
                       .patient = {}});
    labels.erase(stem);
  }
  HARMOFL_VALIDATE(labels.empty(), labels.begin()->second.string(), ": this mask has no image in ",
                   (folder / "images").string(), ". Add it, or take the mask away.");
  return samples;
}

std::vector<Sample> authors_site(const fs::path& site) {
  const FolderContent content = list_folder(site);
  refuse_images(content);
  std::vector<Sample> samples;
  for (const fs::path& folder : content.folders) {
    refuse_images(list_folder(folder));
    const auto* split = std::ranges::find(all_splits, folder.filename().string(),
                                          [](Split one) { return to_string(one); });
    HARMOFL_VALIDATE(split != all_splits.end(), folder.string(),
                     ": is neither train, val nor test ",
                     "of a site. Lay the set out as <site>/{train,val,test}/{images,labels}.");
    for (const char* part : {"images", "labels"}) {
      HARMOFL_VALIDATE(fs::is_directory(folder / part), (folder / part).string(),
                       ": there is no such folder. Lay the set out as ",
                       "<site>/{train,val,test}/{images,labels}.");
    }
    const std::vector<Sample> found = authors_split(folder, *split);
    samples.insert(samples.end(), found.begin(), found.end());
  }
  return samples;
}

}  // namespace

Sources in_sites(std::vector<Sample> samples, const Options& options, const std::string& name) {
  Sources sources;
  if (samples.empty()) return sources;
  if (!options.sites_from) {
    sources.sites[options.site.value_or(name)] = std::move(samples);
    return sources;
  }
  const SiteTable table = read_site_table(*options.sites_from);
  for (Sample& sample : samples) {
    const std::string& key = table.key == "image" ? sample.id : sample.patient;
    const auto found = table.sites.find(key);
    HARMOFL_VALIDATE(found != table.sites.end(), options.sites_from->string(),
                     ": does not tell the site of the ", table.key, " '", key, "' (",
                     sample.image.string(), "). Add a row for it, or take the image away.");
    sources.sites[found->second].push_back(std::move(sample));
  }
  return sources;
}

Sources scan_monuseg(const Options& options) {
  const auto patient_of = [](const fs::path& image) { return tcga_patient(image.stem().string()); };
  return in_sites(outlined_samples(options, patient_of), options, "monuseg");
}

Sources scan_monusac(const Options& options) {
  const auto patient_of = [](const fs::path& image) {
    const std::string folder = image.parent_path().filename().string();
    const std::string barcode = tcga_patient(folder);
    return barcode.empty() ? folder : barcode;
  };
  return in_sites(outlined_samples(options, patient_of), options, "monusac");
}

Sources scan_tnbc(const Options& options) {
  const std::string images = "Slide_", masks = "GT_";
  const FolderContent content = list_folder(options.input);
  refuse_images(content);
  std::vector<Sample> samples;
  for (const fs::path& folder : content.folders) {
    const std::string name = folder.filename().string();
    HARMOFL_VALIDATE(name.starts_with(images) || name.starts_with(masks), folder.string(),
                     ": is neither a Slide_<n> nor a GT_<n> of the set. Take it away.");
    const fs::path slide = options.input / (images + name.substr(name.find('_') + 1));
    const fs::path truth = options.input / (masks + name.substr(name.find('_') + 1));
    for (const fs::path& needed : {slide, truth}) {
      HARMOFL_VALIDATE(fs::is_directory(needed), needed.string(), ": there is no such folder, but ",
                       folder.string(), " needs it. Put it there.");
    }
    if (folder != slide) continue;
    auto truths = by_stem(list_folder(truth).images);
    for (const auto& [stem, image] : by_stem(list_folder(slide).images)) {
      HARMOFL_VALIDATE(truths.contains(stem), image.string(), ": there is no mask ", stem,
                       ".png in ", truth.string(), ". Add it, or take the image away.");
      samples.push_back({.id = stem,
                         .image = image,
                         .mask = truths.at(stem),
                         .label = {},
                         .split = {},
                         .patient = name});
      truths.erase(stem);
    }
    HARMOFL_VALIDATE(truths.empty(), truths.begin()->second.string(),
                     ": this mask has no image in ", slide.string(),
                     ". Add it, or take the mask away.");
  }
  return in_sites(std::move(samples), options, "tnbc");
}

Sources scan_authors(const Options& options) {
  Sources sources;
  const FolderContent content = list_folder(options.input);
  refuse_images(content);
  for (const fs::path& site : content.folders) {
    std::vector<Sample> samples = authors_site(site);
    if (!samples.empty()) sources.sites[site.filename().string()] = std::move(samples);
  }
  return sources;
}

}  // namespace harmofl::prepare
