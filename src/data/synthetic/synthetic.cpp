// SPDX-License-Identifier: Apache-2.0
// A site's images: scenes -> stains to colours (Beer-Lambert) -> the site's scanner. Scenes are
// keyed by (seed, site, index), the scanner by (seed, site), so no image depends on another.
#include "data/synthetic/synthetic.hpp"

#include "data/synthetic/scanner.hpp"
#include "data/synthetic/scene.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

namespace harmofl {
namespace {

constexpr std::int64_t channels = 3;
constexpr std::int64_t min_size_px = 16;
constexpr std::int64_t min_train = 4;
constexpr double max_shift = 2.0;
constexpr std::int64_t samples_a_patient = 4;

/// Optical density of each stain in red, green and blue: haematoxylin and eosin.
constexpr std::array<float, channels> nuclear_density{1.05F, 1.15F, 0.48F};
constexpr std::array<float, channels> tissue_density{0.18F, 1.05F, 0.36F};
constexpr float brightest = 0.92F;

void validate(const SyntheticOptions& options) {
  HARMOFL_VALIDATE(options.sites >= 1, "sites is ", options.sites, ", but must be 1 or more.");
  HARMOFL_VALIDATE(options.train >= 1 && options.val >= 0 && options.test >= 0,
                   "A site cannot hold ", options.train, " training, ", options.val,
                   " validation and ", options.test,
                   " test samples. Give at least 1 for training and no negative number.");
  HARMOFL_VALIDATE(options.height >= min_size_px && options.width >= min_size_px, "Images of ",
                   options.height, " x ", options.width, " pixels are too small for nuclei. Give ",
                   min_size_px, " or more each way.");
  HARMOFL_VALIDATE(options.shift >= 0.0 && options.shift <= max_shift, "shift is ", options.shift,
                   ", but must lie between 0 (sites alike) and ", max_shift, ".");
}

std::int64_t count_of(const SyntheticOptions& options, Split split, std::int64_t site) {
  if (split == Split::val) return options.val;
  if (split == Split::test) return options.test;
  if (!options.unequal) return options.train;
  return std::min(options.train, std::max(min_train, options.train / (site + 1)));
}

/// [3, H, W] by Beer and Lambert: what is reflected falls exponentially with the stain's amount.
std::vector<float> colour(const Scene& scene) {
  const std::size_t pixels = scene.mask.size();
  std::vector<float> reflectance(channels * pixels);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t p = 0; p < pixels; ++p) {
      const float density =
          nuclear_density[c] * scene.nuclear_stain[p] + tissue_density[c] * scene.tissue_stain[p];
      reflectance[c * pixels + p] = brightest * std::exp(-density);
    }
  }
  return reflectance;
}

/// `name` and a number of five digits or more.
std::string numbered(const std::string& name, std::int64_t index) {
  const std::string digits = std::to_string(index);
  const std::size_t width = 5;
  return concat(name, "_", std::string(width - std::min(width, digits.size()), '0'), digits);
}

SplitData make_split(const SyntheticOptions& options, const ScannerParameters& scanner,
                     std::int64_t site, Split split) {
  SplitData data;
  const std::int64_t count = count_of(options, split, site);
  for (std::int64_t i = 0; i < count; ++i) {
    // The stream's round separates images: splits follow one another in steps of 2^29.
    const RoundId image_key{(static_cast<std::int64_t>(split) << 29) + i};
    RngStream rng(options.seed, image_key, ClientId{site}, RngPurpose::synthesis);
    const std::int64_t label = i % 2;
    const Scene scene = draw_scene(options.task, label, options.height, options.width, rng);
    const std::vector<std::byte> image =
        scan(scanner, colour(scene), options.height, options.width, rng);
    data.images.insert(data.images.end(), image.begin(), image.end());
    if (options.task == Task::classification) {
      data.labels.push_back(label);
    } else {
      data.masks.insert(data.masks.end(), scene.mask.begin(), scene.mask.end());
    }
    data.ids.push_back(numbered(std::string(to_string(split)), i));
    data.groups.push_back(numbered(concat(to_string(split), "_patient"), i / samples_a_patient));
  }
  return data;
}

ShardInfo describe(const SyntheticOptions& options, const ScannerParameters& scanner,
                   std::int64_t site) {
  ShardInfo info;
  info.site = concat("site_", site);
  info.task = options.task;
  info.class_names = options.task == Task::segmentation
                         ? std::vector<std::string>{"background", "nucleus"}
                         : std::vector<std::string>{"round", "elongated"};
  info.pixel_type = PixelType::uint8;
  info.channels = channels;
  info.height = options.height;
  info.width = options.width;
  info.intensity_scale = 255.0;
  info.preprocessing = nlohmann::json{{"source", "synthetic"},
                                      {"seed", options.seed},
                                      {"site", site},
                                      {"shift", options.shift},
                                      {"scanner", nlohmann::json::parse(scanner.to_json())}}
                           .dump();
  return info;
}

}  // namespace

SyntheticShard synthesize_site(const SyntheticOptions& options, std::int64_t site) {
  validate(options);
  HARMOFL_EXPECT(site >= 0 && site < options.sites);
  const ScannerParameters scanner = scanner_of_site(options.seed, site, options.shift);
  SyntheticShard shard{describe(options, scanner, site), {}};
  for (const Split split : all_splits) {
    shard.splits[static_cast<std::size_t>(split)] = make_split(options, scanner, site, split);
  }
  return shard;
}

std::vector<std::filesystem::path> synthesize(const SyntheticOptions& options,
                                              const std::filesystem::path& folder) {
  validate(options);
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  HARMOFL_VALIDATE(!failed, folder.string(), ": the folder cannot be made: ", failed.message(),
                   ". Choose another one.");
  std::vector<std::filesystem::path> paths;
  for (std::int64_t site = 0; site < options.sites; ++site) {
    const SyntheticShard shard = synthesize_site(options, site);
    paths.push_back(folder / (shard.info.site + ".h5"));
    ShardWriter writer(paths.back(), shard.info);
    for (const Split split : all_splits) {
      writer.write(split, shard.splits[static_cast<std::size_t>(split)]);
    }
    writer.commit();
  }
  return paths;
}

}  // namespace harmofl
