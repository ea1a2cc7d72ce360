// SPDX-License-Identifier: Apache-2.0
#include "prepare/decode/nifti_header.hpp"

#include "harmofl/base/error.hpp"
#include "prepare/decode/nifti_places.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t most_extension_bytes = std::int64_t{64} << 20;
constexpr std::int64_t most_values = std::numeric_limits<std::int64_t>::max() / 16;

template <class Number>
Number swapped_number(Number value) {
  std::array<std::byte, sizeof(Number)> bytes;
  std::memcpy(bytes.data(), &value, sizeof(value));
  std::ranges::reverse(bytes);
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

/// Takes fields out of a header of one version.
class Fields {
 public:
  Fields(std::span<const std::byte> bytes, const std::filesystem::path& file)
      : bytes_(bytes), file_(file), second_(bytes.size() == nifti2_bytes) {
    std::int32_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof(size));
    swapped_ = size != static_cast<std::int32_t>(bytes.size());
  }

  const NiftiPlaces& places() const { return second_ ? nifti2_places : nifti1_places; }
  bool swapped() const { return swapped_; }

  /// Whole numbers are of 16 bits in NIfTI-1 and of 32 or 64 in NIfTI-2; reals of 32 or 64.
  std::int64_t short_whole(std::size_t place) const { return take<std::int16_t>(place); }
  std::int64_t code(std::size_t place) const {
    return second_ ? take<std::int32_t>(place) : take<std::int16_t>(place);
  }
  std::int64_t dim(std::size_t i) const {
    return second_ ? take<std::int64_t>(places().dim + 8 * i)
                   : take<std::int16_t>(places().dim + 2 * i);
  }
  double real(std::size_t place, std::size_t i = 0) const {
    return second_ ? take<double>(place + 8 * i) : double{take<float>(place + 4 * i)};
  }
  std::int64_t units() const {
    return second_ ? take<std::int32_t>(places().units) : take<std::uint8_t>(places().units);
  }
  std::int64_t offset() const {
    if (second_) return take<std::int64_t>(places().offset);
    const double offset = real(places().offset);
    const bool whole = std::isfinite(offset) && std::floor(offset) == offset &&
                       std::abs(offset) < double{1LL << 40};
    if (!whole) fail(concat("vox_offset ", offset, " is not a place in a file"));
    return static_cast<std::int64_t>(offset);
  }
  std::string_view magic() const {
    return {reinterpret_cast<const char*>(bytes_.data()) + places().magic,
            places().magic_text.size()};
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw UserError(concat(file_.string(), ": cannot be read as NIfTI: ", problem,
                           ". Replace the file by an intact one."));
  }

 private:
  template <class Number>
  Number take(std::size_t place) const {
    Number value{};
    std::memcpy(&value, bytes_.data() + place, sizeof(value));
    return swapped_ ? swapped_number(value) : value;
  }

  std::span<const std::byte> bytes_;
  const std::filesystem::path& file_;
  bool second_;
  bool swapped_ = false;
};

void check_magic(const Fields& fields) {
  if (fields.magic() == fields.places().magic_text) return;
  if (fields.magic() == fields.places().magic_of_pairs) {
    fields.fail(
        "its values are in another file (.hdr with .img), which is not read: make one .nii of "
        "the two");
  }
  fields.fail("it does not have the mark n+1 or n+2");
}

std::array<std::int64_t, 3> parse_size(const Fields& fields) {
  const std::int64_t axes = fields.dim(0);
  if (axes < 3 || axes > 7) fields.fail(concat("has ", axes, " axes; expected 3"));
  std::array<std::int64_t, 3> size{};
  std::int64_t count = 1;
  for (std::size_t i = 0; i < 7; ++i) {
    const std::int64_t extent = fields.dim(i + 1);
    if (static_cast<std::int64_t>(i) >= axes) break;
    const bool good = i < 3 ? extent >= 1 && extent <= most_values / count : extent == 1;
    if (!good) {
      fields.fail(concat(
          "axis ", i + 1, " has ", extent, " entries; expected ",
          i < 3 ? "at least 1, and no more than there is room for" : "1: a volume has three axes"));
    }
    if (i >= 3) continue;
    size[i] = extent;
    count *= extent;
  }
  return size;
}

NiftiType parse_type(const Fields& fields) {
  struct Known {
    std::int64_t code;
    NiftiType type;
  };
  constexpr Known known[] = {{2, NiftiType::u8},    {4, NiftiType::i16},   {8, NiftiType::i32},
                             {16, NiftiType::f32},  {64, NiftiType::f64},  {256, NiftiType::i8},
                             {512, NiftiType::u16}, {768, NiftiType::u32}, {1024, NiftiType::i64},
                             {1280, NiftiType::u64}};
  const std::int64_t code = fields.short_whole(fields.places().type);
  const std::int64_t bits = fields.short_whole(fields.places().bits);
  for (const Known& one : known) {
    if (one.code != code) continue;
    const auto expected = static_cast<std::int64_t>(8 * size_bytes(one.type));
    if (bits != expected) {
      fields.fail(concat("bitpix is ", bits, "; expected ", expected, " for datatype ", code));
    }
    return one.type;
  }
  fields.fail(concat("datatype ", code,
                     " is not read; expected integers of 8 to 64 bits or floats "
                     "of 32 or 64"));
}

/// A slope of 0, or one that is not finite, says that there is no scaling.
void parse_scaling(const Fields& fields, NiftiHeader& header) {
  const double slope = fields.real(fields.places().slope);
  if (slope == 0.0 || !std::isfinite(slope)) return;
  header.slope = slope;
  header.intercept = fields.real(fields.places().intercept);
  if (!std::isfinite(header.intercept)) fields.fail("scl_inter is not a finite number");
}

double voxel_size(const Fields& fields, std::size_t i) {
  const double size = fields.real(fields.places().pixdim, i + 1);
  if (!std::isfinite(size) || size <= 0.0) {
    fields.fail(concat("pixdim[", i + 1, "] is ", size, "; expected a size above 0"));
  }
  return size;
}

/// The rotation of a unit quaternion (a, b, c, d), of which the header has b, c and d.
Affine from_quaternion(const Fields& fields) {
  const NiftiPlaces& at = fields.places();
  const double b = fields.real(at.quatern, 0), c = fields.real(at.quatern, 1),
               d = fields.real(at.quatern, 2);
  const double rest = 1.0 - (b * b + c * c + d * d);
  constexpr double rounding = 3.0 * std::numeric_limits<float>::epsilon();
  if (!(rest >= -rounding)) fields.fail("its quaternion is longer than 1");
  const double a = std::sqrt(std::max(rest, 0.0));
  const double qfac = fields.real(at.pixdim, 0);
  if (qfac != 0.0 && std::abs(qfac) != 1.0)
    fields.fail(concat("pixdim[0] is ", qfac, ", not 1 or -1"));
  const double sizes[] = {voxel_size(fields, 0), voxel_size(fields, 1),
                          voxel_size(fields, 2) * (qfac < 0.0 ? -1.0 : 1.0)};
  const double rotation[3][3] = {
      {a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)},
      {2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)},
      {2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c}};
  Affine affine{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t i = 0; i < 3; ++i) affine[row][i] = rotation[row][i] * sizes[i];
    affine[row][3] = fields.real(at.qoffset, row);
  }
  return affine;
}

Affine parse_affine(const Fields& fields, const std::array<std::int64_t, 3>& size) {
  const NiftiPlaces& at = fields.places();
  Affine affine{};
  if (fields.code(at.sform) > 0) {
    for (std::size_t i = 0; i < 12; ++i) affine[i / 4][i % 4] = fields.real(at.srow, i);
  } else if (fields.code(at.qform) > 0) {
    affine = from_quaternion(fields);
  } else {
    for (std::size_t i = 0; i < 3; ++i) {
      affine[i][i] = voxel_size(fields, i) * (i == 0 ? -1.0 : 1.0);
      affine[i][3] = -affine[i][i] * static_cast<double>(size[i] - 1) / 2.0;
    }
  }
  constexpr std::int64_t metre = 1, micrometre = 3;
  const std::int64_t unit = fields.units() & 7;
  const double factor = unit == metre ? 1e3 : unit == micrometre ? 1e-3 : 1.0;
  for (auto& row : affine) {
    for (double& value : row) {
      value *= factor;
      if (!std::isfinite(value)) fields.fail("its orientation is not of finite numbers");
    }
  }
  return affine;
}

}  // namespace

std::size_t size_bytes(NiftiType type) {
  constexpr std::array<std::size_t, 10> sizes{1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
  return sizes[static_cast<std::size_t>(type)];
}

std::size_t nifti_header_bytes(std::span<const std::byte, 4> start) {
  std::int32_t size = 0;
  std::memcpy(&size, start.data(), sizeof(size));
  for (const std::size_t known : {nifti1_bytes, nifti2_bytes}) {
    const auto expected = static_cast<std::int32_t>(known);
    if (size == expected || swapped_number(size) == expected) return known;
  }
  return 0;
}

NiftiHeader parse_nifti_header(std::span<const std::byte> bytes,
                               const std::filesystem::path& file) {
  const Fields fields(bytes, file);
  check_magic(fields);
  NiftiHeader header;
  header.swapped = fields.swapped();
  header.size = parse_size(fields);
  header.type = parse_type(fields);
  header.offset = fields.offset();
  const auto least = static_cast<std::int64_t>(bytes.size()) + 4;
  if (header.offset < least || header.offset > most_extension_bytes) {
    fields.fail(concat("vox_offset is ", header.offset, "; expected ", least, " to ",
                       most_extension_bytes));
  }
  parse_scaling(fields, header);
  header.affine = parse_affine(fields, header.size);
  return header;
}

}  // namespace harmofl::prepare
