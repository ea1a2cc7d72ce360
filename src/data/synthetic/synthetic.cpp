// SPDX-License-Identifier: Apache-2.0
// A site's images: scenes -> stains to colours (Beer-Lambert) -> the site's scanner. Scenes are
// keyed by (seed, site, index), the scanner by (seed, site), so no image depends on another.
#include "data/synthetic/synthetic.hpp"

#include "base/process/memory.hpp"
#include "data/synthetic/scanner.hpp"
#include "data/synthetic/scene.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/rng.hpp"

#include <ATen/Parallel.h>
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
constexpr std::int64_t bytes_a_part = std::int64_t{8} << 20;  ///< Of images in memory.
constexpr double bytes_a_name = 256;  ///< Of a sample's id and patient, about.

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
  for (const Split split : all_splits) {
    const auto& counts = options.by_site[static_cast<std::size_t>(split)];
    const std::int64_t least = split == Split::train ? 1 : 0;
    HARMOFL_VALIDATE(counts.empty() || std::ssize(counts) == options.sites, "There are ",
                     counts.size(), " numbers of ", to_string(split), " samples for ",
                     options.sites, " sites. Give one for all sites, or one for each.");
    HARMOFL_VALIDATE(std::ranges::all_of(counts, [&](std::int64_t n) { return n >= least; }),
                     "A site cannot hold fewer than ", least, " ", to_string(split), " samples.");
  }
  HARMOFL_VALIDATE(options.height >= min_size_px && options.width >= min_size_px, "Images of ",
                   options.height, " x ", options.width, " pixels are too small for nuclei. Give ",
                   min_size_px, " or more each way.");
  HARMOFL_VALIDATE(options.shift >= 0.0 && options.shift <= max_shift, "shift is ", options.shift,
                   ", but must lie between 0 (sites alike) and ", max_shift, ".");
}

std::int64_t count_of(const SyntheticOptions& options, Split split, std::int64_t site) {
  const auto& by_site = options.by_site[static_cast<std::size_t>(split)];
  if (!by_site.empty()) return by_site[static_cast<std::size_t>(site)];
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

std::int64_t label_of(std::int64_t index) { return index % 2; }

/// `name` and a number of five digits or more.
std::string numbered(const std::string& name, std::int64_t index) {
  const std::string digits = std::to_string(index);
  const std::size_t width = 5;
  return concat(name, "_", std::string(width - std::min(width, digits.size()), '0'), digits);
}

/// Consecutive samples of a split.
struct Part {
  Split split;
  std::int64_t first;
  std::int64_t count;
};

SplitData make_part(const SyntheticOptions& options, const ScannerParameters& scanner,
                    std::int64_t site, const Part& part) {
  const auto count = static_cast<std::size_t>(part.count);
  const auto pixels = static_cast<std::size_t>(options.height * options.width);
  SplitData data;
  data.images.resize(count * channels * pixels);
  if (options.task == Task::segmentation) data.masks.resize(count * pixels);
  at::parallel_for(0, part.count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      // The stream's round separates images: splits follow one another in steps of 2^29.
      const std::int64_t index = part.first + i;
      const RoundId image_key{(static_cast<std::int64_t>(part.split) << 29) + index};
      RngStream rng(options.seed, image_key, ClientId{site}, RngPurpose::synthesis);
      const Scene scene =
          draw_scene(options.task, label_of(index), options.height, options.width, rng);
      const std::vector<std::byte> image =
          scan(scanner, colour(scene), options.height, options.width, rng);
      std::ranges::copy(image, data.images.begin() + i * std::ssize(image));
      if (data.masks.empty()) continue;
      std::ranges::copy(scene.mask, data.masks.begin() + i * std::ssize(scene.mask));
    }
  });
  const std::string name(to_string(part.split));
  for (std::int64_t i = part.first; i < part.first + part.count; ++i) {
    if (options.task == Task::classification) data.labels.push_back(label_of(i));
    data.ids.push_back(numbered(name, i));
    data.groups.push_back(numbered(name + "_patient", i / samples_a_patient));
  }
  return data;
}

/// Samples that are made at a time.
std::int64_t samples_a_part(const SyntheticOptions& options) {
  return std::max<std::int64_t>(1, bytes_a_part / (options.height * options.width * channels));
}

void write_split(ShardWriter& writer, const SyntheticOptions& options,
                 const ScannerParameters& scanner, std::int64_t site, Split split) {
  const std::int64_t count = count_of(options, split, site);
  writer.begin(split, count);
  for (std::int64_t first = 0; first < count; first += samples_a_part(options)) {
    const std::int64_t part = std::min(samples_a_part(options), count - first);
    writer.append(make_part(options, scanner, site, {split, first, part}));
  }
}

/// Refuses a site whose names alone, which are kept until its shard is whole, take more than the
/// machine's memory.
void check_memory(const SyntheticOptions& options, std::int64_t site) {
  double samples = 0.0;
  for (const Split split : all_splits) {
    samples += static_cast<double>(count_of(options, split, site));
  }
  const auto memory = static_cast<double>(machine_memory_bytes());
  HARMOFL_VALIDATE(samples * bytes_a_name <= memory, "The names of ", samples,
                   " images of a site take ", samples * bytes_a_name / 1e9,
                   " GB, this machine has ", memory / 1e9, ". Make fewer images.");
}

std::string name_of_site(std::int64_t site) { return concat("site_", site); }

/// Refuses a folder with a shard that would stay, of another federation than those that are made.
void check_holds_no_others(const std::filesystem::path& folder, std::int64_t sites) {
  const auto is_made = [&](const std::filesystem::path& path) {
    const std::string name = path.stem().string();
    const std::size_t digits = name_of_site(0).size() - 1;
    const auto number = parse_whole(name.substr(std::min(digits, name.size())));
    return number && *number >= 0 && *number < sites && name == name_of_site(*number);
  };
  std::error_code failed;
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    HARMOFL_VALIDATE(entry->path().extension() != ".h5" || is_made(entry->path()),
                     entry->path().string(), ": this shard would stay beside those of another ",
                     "federation. Remove it, or choose another folder.");
  }
  HARMOFL_VALIDATE(!failed, folder.string(), ": cannot be listed: ", failed.message(),
                   ". Choose another folder.");
}

ShardInfo describe(const SyntheticOptions& options, const ScannerParameters& scanner,
                   std::int64_t site) {
  ShardInfo info;
  info.site = name_of_site(site);
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
    shard.splits[static_cast<std::size_t>(split)] =
        make_part(options, scanner, site, {split, 0, count_of(options, split, site)});
  }
  return shard;
}

std::vector<std::filesystem::path> synthesize(const SyntheticOptions& options,
                                              const std::filesystem::path& folder) {
  validate(options);
  for (std::int64_t site = 0; site < options.sites; ++site) check_memory(options, site);
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  HARMOFL_VALIDATE(!failed, folder.string(), ": the folder cannot be made: ", failed.message(),
                   ". Choose another one.");
  check_holds_no_others(folder, options.sites);
  std::vector<std::filesystem::path> paths;
  for (std::int64_t site = 0; site < options.sites; ++site) {
    const ScannerParameters scanner = scanner_of_site(options.seed, site, options.shift);
    const ShardInfo info = describe(options, scanner, site);
    paths.push_back(folder / (info.site + ".h5"));
    ShardWriter writer(paths.back(), info);
    for (const Split split : all_splits) write_split(writer, options, scanner, site, split);
    writer.commit();
  }
  return paths;
}

}  // namespace harmofl
