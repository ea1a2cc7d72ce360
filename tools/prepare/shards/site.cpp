// SPDX-License-Identifier: Apache-2.0
#include "prepare/shards/site.hpp"

#include "base/checksum.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/decode/outlines.hpp"
#include "prepare/pixels/image_source.hpp"
#include "prepare/pixels/instances.hpp"
#include "prepare/pixels/mask.hpp"
#include "prepare/pixels/resample.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <span>

namespace harmofl::prepare {
namespace {

std::int64_t max_pixels(const Options& options) {
  return options.size ? max_pixels_for(*options.size) : usual_max_pixels;
}

Image read_mask_of(const Sample& sample, Size expected, const Options& options) {
  if (is_outlines(sample.mask)) return read_outline_mask(sample.mask, expected, options.mask);
  Image mask = read_mask(sample.mask, options.mask, max_pixels(options));
  HARMOFL_VALIDATE(mask.size == expected, sample.mask.string(), ": this mask is ",
                   to_string(mask.size), ", its image is ", to_string(expected),
                   " (rows x columns). Give both the same size.");
  return mask;
}

std::vector<Piece> cut(const Sample& sample, const Image& image, const Image& mask, Size patch) {
  HARMOFL_VALIDATE(image.size.height >= patch.height && image.size.width >= patch.width,
                   sample.image.string(), ": this image is ", to_string(image.size),
                   ", smaller than the patch ", to_string(patch),
                   ". Take a smaller --patch, or --size.");
  std::vector<Piece> pieces;
  const auto rows = tile_starts(image.size.height, patch.height);
  const auto columns = tile_starts(image.size.width, patch.width);
  for (std::size_t y = 0; y < rows.size(); ++y) {
    for (std::size_t x = 0; x < columns.size(); ++x) {
      pieces.push_back({concat(sample.id, "_y", y, "x", x), crop(image, rows[y], columns[x], patch),
                        mask.values.empty() ? Image{} : crop(mask, rows[y], columns[x], patch), 0});
    }
  }
  return pieces;
}

std::vector<Piece> make_pieces(const Sample& sample, const Image& image, const Options& options) {
  const Image mask = sample.mask.empty() ? Image{} : read_mask_of(sample, image.size, options);
  if (options.patch) return cut(sample, image, mask, *options.patch);
  const Size size = options.size.value_or(image.size);
  return {{sample.id, resample(image, size),
           mask.values.empty() ? Image{} : resample_mask(mask, size), 0}};
}

std::int64_t label_of(const Sample& sample, const std::vector<std::string>& class_names) {
  return std::find(class_names.begin(), class_names.end(), sample.label) - class_names.begin();
}

void add_text(Checksum& sum, const std::string& text) {
  sum.add(std::as_bytes(std::span(text.c_str(), text.size() + 1)));  // the 0 ends the text
}

/// What the samples of a site are decoded with; for several threads.
struct SampleReaders {
  std::mutex mutex{};  ///< Of `images`: the rows of an array are read one after the other.
  ImageSource images{};
  SampleChecksums checksums{};

  Image image(const Sample& sample, const Options& options) {
    if (sample.array.empty()) return read_image(sample.image, options.grey, max_pixels(options));
    const std::lock_guard held(mutex);
    return images.read(sample, options.grey, max_pixels(options));
  }
};

/// Reads the image of a sample, and its mask.
Decoded decode_sample(const Sample& sample, const SitePlan& plan, SampleReaders& readers,
                      const std::vector<std::string>& class_names, const Options& options) {
  const Image image = readers.image(sample, options);
  Decoded decoded;
  decoded.source_size = image.size;
  decoded.checksums = readers.checksums.of(sample);
  decoded.pieces = make_pieces(sample, image, options);
  for (Piece& piece : decoded.pieces) piece.label = label_of(sample, class_names);
  if (options.mask.instances) {
    keep_instances(sample, image.size, options, options.output / (plan.name + "_instances"));
  }
  return decoded;
}

}  // namespace

std::vector<std::filesystem::path> files_of(const Sample& sample) {
  if (sample.mask.empty()) return {sample.image};
  return {sample.image, sample.mask};
}

std::string SampleChecksums::of(const Sample& sample) {
  if (sample.array.empty()) return checksums_of(files_of(sample));
  const std::lock_guard held(mutex_);
  std::string& known = arrays_[sample.image];
  if (known.empty()) known = checksums_of({sample.image});
  return known;
}

std::string source_checksum(const SitePlan& plan,
                            const std::function<std::string(std::size_t)>& checksums) {
  constexpr std::size_t digits = 32;
  Checksum sum;
  for (std::size_t i = 0; i < plan.samples.size(); ++i) {
    const Sample& sample = plan.samples[i];
    const std::string files = checksums(i);
    add_text(sum, sample.id);
    add_text(sum, sample.label);
    add_text(sum, std::string(to_string(plan.splits[i])));
    add_text(sum, files.substr(0, digits));
    if (!sample.mask.empty()) add_text(sum, files.substr(digits));
    if (!sample.patient.empty()) add_text(sum, sample.patient);
  }
  return sum.digest();
}

SiteJob images_job(const SitePlan& plan, const std::vector<std::string>& class_names,
                   const Options& options, const std::string& preprocessing) {
  SiteJob job;
  job.name = plan.name;
  job.count = std::ssize(plan.samples);
  job.unit = "images";
  job.purpose = preprocessing + join(class_names, std::string_view("\0", 1));
  const auto sample = [&plan](std::int64_t i) -> const Sample& {
    return plan.samples[static_cast<std::size_t>(i)];
  };
  for (const Sample& one : plan.samples) {
    job.purpose += concat('\0', one.id, '\0', one.label, '\0', one.image.string(), '\0',
                          one.mask.string(), '\0', one.array, '\0', one.row);
  }
  job.files = [sample](std::int64_t i) { return files_of(sample(i)); };
  const auto readers = std::make_shared<SampleReaders>();
  job.decode = [sample, readers, &plan, &class_names, &options](std::int64_t i) {
    return decode_sample(sample(i), plan, *readers, class_names, options);
  };
  return job;
}

}  // namespace harmofl::prepare
