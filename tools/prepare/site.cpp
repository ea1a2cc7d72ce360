// SPDX-License-Identifier: Apache-2.0
#include "prepare/site.hpp"

#include "base/checksum.hpp"
#include "base/interrupt.hpp"
#include "base/log.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/image.hpp"
#include "prepare/resample.hpp"

#include <algorithm>
#include <fstream>
#include <span>
#include <sstream>

namespace harmofl::prepare {
namespace {

/// One image as it is stored: its name, pixels and, for segmentation, mask.
struct Piece {
  std::string id;
  Image image;
  Image mask;
};

Image read_mask_of(const Sample& sample, Size expected) {
  Image mask = read_mask(sample.mask);
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
                        mask.values.empty() ? Image{} : crop(mask, rows[y], columns[x], patch)});
    }
  }
  return pieces;
}

std::vector<Piece> make_pieces(const Sample& sample, const Image& image, const Options& options) {
  const Image mask = sample.mask.empty() ? Image{} : read_mask_of(sample, image.size);
  if (options.patch) return cut(sample, image, mask, *options.patch);
  const Size size = options.size.value_or(image.size);
  return {{sample.id, resample(image, size),
           mask.values.empty() ? Image{} : resample_mask(mask, size)}};
}

void append(SplitData& split, const Piece& piece, std::int64_t label, const std::string& patient) {
  const auto bytes = std::as_bytes(std::span(piece.image.values));
  split.images.insert(split.images.end(), bytes.begin(), bytes.end());
  split.masks.insert(split.masks.end(), piece.mask.values.begin(), piece.mask.values.end());
  if (piece.mask.values.empty()) split.labels.push_back(label);
  split.ids.push_back(piece.id);
  split.groups.push_back(patient);
}

void check_same_size(const SiteContent& content, const Sample& sample, Size size) {
  HARMOFL_VALIDATE(content.size == Size{} || content.size == size, sample.image.string(),
                   ": this image is ", to_string(size), ", those before it are ",
                   to_string(content.size), ". A shard holds one size: give --size or --patch.");
}

std::int64_t label_of(const Sample& sample, const std::vector<std::string>& class_names) {
  return std::find(class_names.begin(), class_names.end(), sample.label) - class_names.begin();
}

void add_text(Checksum& sum, const std::string& text) {
  sum.add(std::as_bytes(std::span(text.c_str(), text.size() + 1)));  // the 0 ends the text
}

}  // namespace

std::string source_checksum(const SitePlan& plan) {
  Checksum sum;
  for (std::size_t i = 0; i < plan.samples.size(); ++i) {
    const Sample& sample = plan.samples[i];
    add_text(sum, sample.id);
    add_text(sum, sample.label);
    add_text(sum, std::string(to_string(plan.splits[i])));
    add_text(sum, file_checksum(sample.image));
    if (!sample.mask.empty()) add_text(sum, file_checksum(sample.mask));
    if (!sample.patient.empty()) add_text(sum, sample.patient);
  }
  return sum.digest();
}

SiteContent load_site(const SitePlan& plan, const std::vector<std::string>& class_names,
                      const Options& options) {
  SiteContent content;
  content.channels = options.grey ? 1 : 3;
  for (std::size_t i = 0; i < plan.samples.size(); ++i) {
    if (interrupt_requested()) throw Interrupted{};
    log::progress(concat(plan.name, ": ", i, "/", plan.samples.size(), " images"));
    const Sample& sample = plan.samples[i];
    const Image image = read_png(sample.image, options.grey);
    ++content.source_sizes[image.size];
    for (const Piece& piece : make_pieces(sample, image, options)) {
      check_same_size(content, sample, piece.image.size);
      content.size = piece.image.size;
      append(content.splits[static_cast<std::size_t>(plan.splits[i])], piece,
             label_of(sample, class_names), sample.patient);
    }
  }
  log::clear_progress();
  return content;
}

}  // namespace harmofl::prepare
