// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/mask.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"

#include <algorithm>
#include <bitset>
#include <memory>
#include <vector>

namespace harmofl::prepare {
namespace {

constexpr std::size_t possible_values = 1 << 16;

/// The value of each pixel, one after the other.
class MaskValues {
 public:
  MaskValues(const std::filesystem::path& path, const Raster& raster)
      : path_(path), raster_(raster) {
    for (const auto& colour : raster.palette) {
      grey_palette_ = grey_palette_ && colour[0] == colour[1] && colour[1] == colour[2];
    }
  }

  /// The largest value that the file's depth allows.
  unsigned largest() const {
    return !raster_.palette.empty() && grey_palette_ ? 255 : raster_.largest();
  }

  unsigned at(std::size_t pixel) const {
    const auto channels = static_cast<std::size_t>(raster_.channels);
    const std::size_t first = pixel * channels;
    const unsigned value = raster_.sample(first);
    if (!raster_.palette.empty()) {
      const auto& colour = raster_.palette.at(value);
      check_opaque(colour[3], 255);
      return grey_palette_ ? colour[0] : value;
    }
    if (channels >= 3) {
      HARMOFL_VALIDATE(raster_.sample(first + 1) == value && raster_.sample(first + 2) == value,
                       path_.string(), ": a mask must be grey or have a palette, this one has ",
                       "colours. Save it with one channel, or by a palette with --mask-values.");
    }
    if (raster_.has_opacity()) {
      check_opaque(raster_.sample(first + channels - 1), raster_.largest());
    }
    return value;
  }

 private:
  void check_opaque(unsigned opacity, unsigned all) const {
    HARMOFL_VALIDATE(opacity == all, path_.string(), ": a mask must be opaque, this one has a ",
                     "pixel of opacity ", opacity, " of ", all, ", whose value means nothing. ",
                     "Save it without transparency.");
  }

  const std::filesystem::path& path_;
  const Raster& raster_;
  bool grey_palette_ = true;
};

/// "0, 1, 128 and 5 more".
std::string list_values(const std::bitset<possible_values>& held) {
  constexpr std::size_t most = 8;
  std::vector<std::string> texts;
  for (std::size_t value = 0; value < held.size() && texts.size() < most; ++value) {
    if (held[value]) texts.push_back(std::to_string(value));
  }
  const std::size_t more = held.count() - texts.size();
  return concat(join(texts), more > 0 ? concat(" and ", more, " more") : "");
}

/// The class of every possible value; -1 where there is none.
using Classes = std::vector<int>;

Classes classes_of(const std::filesystem::path& path, const MaskRule& rule, unsigned largest,
                   const std::bitset<possible_values>& held) {
  Classes classes(possible_values, -1);
  if (rule.threshold) {
    for (std::size_t value = 0; value < classes.size(); ++value) {
      classes[value] = static_cast<std::int64_t>(value) >= *rule.threshold ? 1 : 0;
    }
    return classes;
  }
  if (!rule.classes.empty()) {
    for (const auto& [text, number] : rule.classes) {
      const auto value = parse_whole(text);
      const WholeRange possible{0, possible_values - 1};
      HARMOFL_VALIDATE(value && possible.holds(*value), "--mask-values: '", text,
                       "' is not a value of a mask image, which is a ",
                       "whole number from 0 to 65535, but ", path.string(), " is one.");
      classes[static_cast<std::size_t>(*value)] = number;
    }
    return classes;
  }
  if (rule.instances) std::fill(classes.begin(), classes.end(), 1);
  classes[0] = 0;
  for (const unsigned value : {1U, 255U, largest}) {
    const bool alone = held.count() == (held[0] ? 1U : 0U) + (held[value] ? 1U : 0U);
    if (alone) classes[value] = 1;
  }
  return classes;
}

/// The class of every value that the mask holds.
Classes checked_classes(const std::filesystem::path& path, const MaskValues& values,
                        std::size_t pixels, const MaskRule& rule) {
  auto held = std::make_unique<std::bitset<possible_values>>();
  for (std::size_t i = 0; i < pixels; ++i) held->set(values.at(i));
  Classes classes = classes_of(path, rule, values.largest(), *held);
  for (std::size_t value = 0; value < possible_values; ++value) {
    HARMOFL_VALIDATE(!held->test(value) || classes[value] >= 0, path.string(), ": this mask holds ",
                     list_values(*held), "; ",
                     rule.classes.empty()
                         ? "expected 0 and one of 1, 255 and the largest value of its depth"
                         : concat("--mask-values does not name ", value),
                     ". Give --mask-values or --mask-threshold to tell its classes.");
  }
  return classes;
}

}  // namespace

Image read_mask(const std::filesystem::path& path, const MaskRule& rule, std::int64_t max_pixels) {
  const Raster raster = decode(path, max_pixels);
  const MaskValues values(path, raster);
  const Classes classes = checked_classes(path, values, raster.pixels(), rule);
  Image mask{1, raster.size, std::vector<std::uint8_t>(raster.pixels())};
  for (std::size_t i = 0; i < mask.values.size(); ++i) {
    mask.values[i] = static_cast<std::uint8_t>(classes[values.at(i)]);
  }
  return mask;
}

std::vector<std::uint16_t> read_mask_numbers(const std::filesystem::path& path,
                                             const MaskRule& rule, std::int64_t max_pixels) {
  const Raster raster = decode(path, max_pixels);
  const MaskValues values(path, raster);
  const Classes classes = checked_classes(path, values, raster.pixels(), rule);
  std::vector<std::uint16_t> numbers(raster.pixels());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const unsigned value = values.at(i);
    numbers[i] = static_cast<std::uint16_t>(classes[value] != 0 ? value : 0);
  }
  return numbers;
}

}  // namespace harmofl::prepare
