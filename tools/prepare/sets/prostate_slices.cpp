// SPDX-License-Identifier: Apache-2.0
// From volumes of the prostate to slices.
#include "base/read_file.hpp"
#include "prepare/pixels/resample.hpp"
#include "prepare/pixels/volume_slices.hpp"
#include "prepare/sets/prostate.hpp"
#include "prepare/shards/site_job.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

namespace harmofl::prepare {
namespace {

namespace fs = std::filesystem;

/// Name of a file without .nii or .nii.gz; empty for other files.
std::string stem_of(const fs::path& file) {
  const std::string name = file.filename().string();
  for (const std::string_view ending : {".nii.gz", ".nii"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return {};
}

/// Takes the ending of a mask off a name; empty for what is not a mask.
std::string case_of_mask(const std::string& stem) {
  for (const std::string_view ending : {"_segmentation", "_Segmentation"}) {
    if (stem.ends_with(ending)) return stem.substr(0, stem.size() - ending.size());
  }
  return {};
}

/// Puts the volumes and masks of a folder into `cases`, by id.
std::map<std::string, Case> pair_files(const fs::path& site) {
  std::map<std::string, Case> cases;
  for (const auto& entry : fs::directory_iterator(site)) {
    const fs::path& file = entry.path();
    const std::string stem = stem_of(file);
    if (stem.empty() || stem.starts_with('.')) continue;
    const std::string why = why_not_a_file(file);
    HARMOFL_VALIDATE(why.empty(), file.string(), ": has the name of a volume, but ", why,
                     ". Put the volume in its place, or remove it.");
    HARMOFL_VALIDATE(is_printable(stem), file.string(), ": the name is not UTF-8 without control ",
                     "characters. Rename it.");
    const std::string owner = case_of_mask(stem);
    Case& one = cases[owner.empty() ? stem : owner];
    one.id = owner.empty() ? stem : owner;
    fs::path& place = owner.empty() ? one.image : one.mask;
    HARMOFL_VALIDATE(place.empty(), file.string(), ": there is ", place.filename().string(),
                     " as well. Keep one of them.");
    place = file;
  }
  return cases;
}

void check_mask(const Volume& mask, const Volume& image, const Case& one) {
  const auto shape = [](const Volume& volume) {
    return concat(volume.size[0], "x", volume.size[1], "x", volume.size[2]);
  };
  HARMOFL_VALIDATE(mask.size == image.size, one.mask.string(), ": this mask has ", shape(mask),
                   " voxels, its volume ", shape(image), ". Give both the same size.");
  const bool alike =
      orientation_of(mask.affine, one.mask) == orientation_of(image.affine, one.image);
  HARMOFL_VALIDATE(alike, one.mask.string(), ": this mask is turned another way than its volume. ",
                   "Mend the header of one of them.");
  for (const double value : mask.values) {
    HARMOFL_VALIDATE(value >= 0.0 && std::floor(value) == value, one.mask.string(),
                     ": a mask holds whole numbers from 0 on, this one holds ", value,
                     ". Give the labels.");
  }
}

/// 1 where a mask has a label, 0 elsewhere.
ByteVolume labelled(const Volume& mask) {
  ByteVolume labels{mask.size, {}};
  labels.values.reserve(mask.values.size());
  for (const double value : mask.values) labels.values.push_back(value > 0.0 ? 1 : 0);
  return labels;
}

std::string slice_id(const Case& one, std::int64_t k) {
  std::ostringstream id;
  id << one.id << "_z" << std::setfill('0') << std::setw(3) << k;
  return id.str();
}

/// In tenths of a micrometre: headers hold sizes in single precision.
double rounded_distance(double distance) { return std::round(distance * 1e4) / 1e4; }

}  // namespace

std::map<std::string, std::vector<Case>> find_cases(const fs::path& input) {
  HARMOFL_VALIDATE(fs::is_directory(input), input.string(),
                   ": this is not a folder. Give --input a folder with one sub-folder a site.");
  std::map<std::string, std::vector<Case>> sites;
  for (const auto& entry : fs::directory_iterator(input)) {
    const std::string site = entry.path().filename().string();
    if (site.starts_with('.') || !fs::is_directory(entry.path())) continue;
    for (auto& [id, one] : pair_files(entry.path())) {
      HARMOFL_VALIDATE(!one.image.empty(), one.mask.string(), ": this mask has no volume ", id,
                       ".nii.gz. Add the volume or remove the mask.");
      HARMOFL_VALIDATE(!one.mask.empty(), one.image.string(), ": this volume has no mask ", id,
                       "_segmentation.nii.gz. Add the mask or remove the volume.");
      sites[site].push_back(std::move(one));
    }
  }
  HARMOFL_VALIDATE(!sites.empty(), input.string(), ": there are no volumes. Expected ",
                   "<site>/<id>.nii.gz with <id>_segmentation.nii.gz.");
  return sites;
}

Decoded slices_of(const Case& one, Size size) {
  const Volume stored = read_nifti(one.image);
  const Volume stored_mask = read_nifti(one.mask);
  check_mask(stored_mask, stored, one);
  const Volume volume = to_ras(stored, one.image);
  const ByteVolume images = to_byte_volume(volume, one.image);
  const ByteVolume labels = labelled(to_ras(stored_mask, one.mask));
  const Size source = images.slice_size();

  Decoded decoded;
  decoded.source_size = source;
  decoded.checksums = checksums_of({one.image, one.mask});
  const std::array<double, 3> mm = voxel_sizes(volume.affine);
  const auto scaled = [](double distance, std::int64_t before, std::int64_t after) {
    return rounded_distance(distance * static_cast<double>(before) / static_cast<double>(after));
  };
  decoded.spacing = {scaled(mm[1], source.height, size.height),
                     scaled(mm[0], source.width, size.width)};
  for (std::int64_t k = 1; k + 1 < images.size[2]; ++k) {
    const Image label = slice_of(labels, k);
    if (std::ranges::count(label.values, 1) == 0) continue;
    decoded.pieces.push_back(
        {slice_id(one, k), resample(three_slices(images, k), size), resample_mask(label, size), 0});
  }
  return decoded;
}

}  // namespace harmofl::prepare
