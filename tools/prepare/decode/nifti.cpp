// SPDX-License-Identifier: Apache-2.0
#include "prepare/decode/nifti.hpp"

#include "base/process/memory.hpp"
#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/decode/nifti_header.hpp"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t best_compression = 1032;  ///< Deflate shrinks at most 1032 to 1.
/// A volume, its mask, both turned, and what they become are in memory at a time.
constexpr std::int64_t memory_share = 16;
constexpr std::size_t part_values = std::size_t{1} << 16;  ///< Read at a time.

/// The bytes of a file, unpacked where it is packed.
class Bytes {
 public:
  explicit Bytes(const std::filesystem::path& path)
      : path_(path), file_(gzopen(path.c_str(), "rb"), gzclose) {
    HARMOFL_VALIDATE(file_, path.string(), ": cannot be opened: ", std::strerror(errno), ".");
  }

  /// Fills `bytes`. Throws UserError when there are not as many.
  void read(std::byte* bytes, std::size_t count) {
    while (count > 0) {
      const auto step = static_cast<unsigned>(std::min<std::size_t>(count, 1U << 30));
      const int got = gzread(file_.get(), bytes, step);
      if (got <= 0) fail(got < 0 ? reason() : "it ends early");
      bytes += got;
      count -= static_cast<std::size_t>(got);
    }
  }

  void skip(std::int64_t count) {
    std::array<std::byte, 4096> thrown_away;
    for (; count > 0; count -= std::ssize(thrown_away)) {
      read(thrown_away.data(), std::min(static_cast<std::size_t>(count), thrown_away.size()));
    }
  }

  /// Throws UserError unless all was read and, of a packed file, its checksum is right.
  void check_end() {
    char more = 0;
    const int got = gzread(file_.get(), &more, 1);
    if (got > 0) fail("it holds more than its header claims");
    int error = Z_OK;
    gzerror(file_.get(), &error);
    if (got < 0 || error != Z_OK) fail(reason());
  }

  bool packed() const { return gzdirect(file_.get()) == 0; }

  [[noreturn]] void fail(const std::string& problem) const {
    throw UserError(concat(path_.string(), ": cannot be read as NIfTI: ", problem,
                           ". Replace the file by an intact one."));
  }

 private:
  std::string reason() const {
    int error = Z_OK;
    const char* text = gzerror(file_.get(), &error);
    return error == Z_ERRNO ? std::string(std::strerror(errno))
                            : concat("it is damaged (", text, ")");
  }

  const std::filesystem::path& path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

/// Reads up to the first value. `stored` becomes the header's bytes.
NiftiHeader read_header(Bytes& bytes, const std::filesystem::path& path,
                        std::vector<std::byte>& stored) {
  std::array<std::byte, 4> start;
  bytes.read(start.data(), start.size());
  const std::size_t size = nifti_header_bytes(start);
  if (size == 0) bytes.fail("it does not begin with the size of a header, 348 or 540");
  stored.assign(start.begin(), start.end());
  stored.resize(size);
  bytes.read(stored.data() + start.size(), size - start.size());
  NiftiHeader header = parse_nifti_header(stored, path);
  bytes.skip(header.offset - static_cast<std::int64_t>(size));
  return header;
}

/// Throws UserError when the file cannot hold as much as it claims, or memory cannot.
void check_claim(const Bytes& bytes, const NiftiHeader& header, const std::filesystem::path& path) {
  const std::string shape =
      concat(header.size[0], "x", header.size[1], "x", header.size[2], " voxels");
  const auto stored = static_cast<std::int64_t>(std::filesystem::file_size(path));
  const std::int64_t most = bytes.packed() ? stored * best_compression : stored;
  const auto claimed = header.count() * static_cast<std::int64_t>(size_bytes(header.type));
  if (claimed > most - header.offset) {
    bytes.fail(concat("it claims ", shape, ", more than its ", stored, " bytes can hold"));
  }
  const std::int64_t memory = machine_memory_bytes() / memory_share;
  HARMOFL_VALIDATE(header.count() <= memory / std::int64_t{sizeof(double)}, path.string(), ": its ",
                   shape, " take more than ", memory,
                   " bytes, a sixteenth of this machine's memory. ",
                   "Cut the volume into smaller ones.");
}

/// Turns stored values of one type into numbers.
template <class Stored>
void convert(const std::byte* from, std::size_t count, bool swapped, double* to) {
  for (std::size_t n = 0; n < count; ++n) {
    std::array<std::byte, sizeof(Stored)> bytes;
    std::memcpy(bytes.data(), from + n * sizeof(Stored), sizeof(Stored));
    if (swapped) std::ranges::reverse(bytes);
    Stored value{};
    std::memcpy(&value, bytes.data(), sizeof(Stored));
    to[n] = static_cast<double>(value);
  }
}

using Converter = void (*)(const std::byte*, std::size_t, bool, double*);

Converter converter_of(NiftiType type) {
  constexpr std::array<Converter, 10> converters{
      convert<std::uint8_t>,  convert<std::int8_t>,  convert<std::uint16_t>, convert<std::int16_t>,
      convert<std::uint32_t>, convert<std::int32_t>, convert<std::uint64_t>, convert<std::int64_t>,
      convert<float>,         convert<double>};
  return converters[static_cast<std::size_t>(type)];
}

void read_values(Bytes& bytes, const NiftiHeader& header, std::vector<double>& values) {
  const std::size_t size = size_bytes(header.type);
  const Converter converter = converter_of(header.type);
  std::vector<std::byte> part(part_values * size);
  const auto count = static_cast<std::size_t>(header.count());
  for (std::size_t done = 0; done < count; done += part_values) {
    const std::size_t now = std::min(part_values, count - done);
    bytes.read(part.data(), now * size);
    values.resize(done + now);  // not all at once: the file may end before what it claims
    converter(part.data(), now, header.swapped, values.data() + done);
  }
}

void scale(const NiftiHeader& header, Volume& volume, const std::filesystem::path& path) {
  const auto [width, height, depth] = volume.size;
  for (std::size_t n = 0; n < volume.values.size(); ++n) {
    double& value = volume.values[n];
    const double stored = value;
    if (header.slope != 1.0) value *= header.slope;
    if (header.intercept != 0.0) value += header.intercept;
    if (std::isfinite(value)) continue;
    const auto place = static_cast<std::int64_t>(n);
    throw UserError(
        concat(path.string(), ": voxel (", place % width, ", ", place / width % height, ", ",
               place / width / height, ") is ", stored,
               value == stored || std::isnan(stored) ? "" : " and too large once scaled",
               "; expected finite numbers. Mend the volume."));
  }
}

using Matrix = std::array<std::array<double, 3>, 3>;

/// The cofactors of a matrix, which are its inverse transposed times its determinant.
Matrix cofactors(const Matrix& m) {
  Matrix result{};
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) {
      const std::size_t r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3;
      result[r][c] = m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1];
    }
  }
  return result;
}

double determinant(const Matrix& m, const Matrix& cofactors_of_m) {
  double sum = 0.0;
  for (std::size_t c = 0; c < 3; ++c) sum += m[0][c] * cofactors_of_m[0][c];
  return sum;
}

/// The nearest orthogonal matrix, by Newton's iteration X <- (X + X^-T) / 2.
Matrix orthogonal(Matrix m) {
  constexpr int steps = 60;  // doubles the digits a step once it is near; halves what is far
  for (int step = 0; step < steps; ++step) {
    const Matrix inverse = cofactors(m);
    const double scale = determinant(m, inverse);
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t c = 0; c < 3; ++c) m[r][c] = 0.5 * (m[r][c] + inverse[r][c] / scale);
    }
  }
  return m;
}

}  // namespace

Volume read_nifti(const std::filesystem::path& path) {
  const std::string why = why_not_a_file(path);
  HARMOFL_VALIDATE(why.empty(), path.string(), ": ", why, ". Put the volume in its place.");
  Bytes bytes(path);
  Volume volume;
  const NiftiHeader header = read_header(bytes, path, volume.header);
  check_claim(bytes, header, path);
  volume.size = header.size;
  volume.affine = header.affine;
  read_values(bytes, header, volume.values);
  bytes.check_end();
  scale(header, volume, path);
  return volume;
}

std::array<double, 3> voxel_sizes(const Affine& affine) {
  std::array<double, 3> sizes{};
  for (std::size_t i = 0; i < 3; ++i) {
    sizes[i] = std::hypot(affine[0][i], affine[1][i], affine[2][i]);
  }
  return sizes;
}

Orientation orientation_of(const Affine& affine, const std::filesystem::path& file) {
  constexpr double flat = 1e-6;  // of the volume that three unit vectors span
  const std::array<double, 3> sizes = voxel_sizes(affine);
  Matrix directions{};
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t i = 0; i < 3; ++i) directions[r][i] = affine[r][i] / sizes[i];
  }
  const double spanned = determinant(directions, cofactors(directions));
  HARMOFL_VALIDATE(std::abs(spanned) >= flat, file.string(),
                   ": its three directions lie in a plane ", "(sform or qform). Mend its header.");
  Matrix turned = orthogonal(directions);
  // The axis that lies closest to one of RAS chooses first.
  std::array<std::size_t, 3> order{0, 1, 2};
  const auto closeness = [&turned](std::size_t i) {
    double most = 0.0;
    for (std::size_t r = 0; r < 3; ++r) most = std::max(most, turned[r][i] * turned[r][i]);
    return most;
  };
  std::array<double, 3> close{closeness(0), closeness(1), closeness(2)};
  std::ranges::stable_sort(order, [&](auto a, auto b) { return close[a] > close[b]; });
  Orientation found;
  for (const std::size_t i : order) {
    std::size_t best = 0;
    for (std::size_t r = 1; r < 3; ++r) {
      if (std::abs(turned[r][i]) > std::abs(turned[best][i])) best = r;
    }
    found.axis[best] = i;
    found.flipped[best] = turned[best][i] < 0.0;
    turned[best] = {};  // taken
  }
  return found;
}

RasOrder ras_order(const Orientation& from, const std::array<std::int64_t, 3>& size) {
  const std::array<std::int64_t, 3> step{1, size[0], size[0] * size[1]};
  RasOrder order;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::size_t source = from.axis[axis];
    order.size[axis] = size[source];
    order.step[axis] = from.flipped[axis] ? -step[source] : step[source];
    if (from.flipped[axis]) order.first += step[source] * (size[source] - 1);
  }
  return order;
}

Volume to_ras(const Volume& volume, const std::filesystem::path& file) {
  const Orientation from = orientation_of(volume.affine, file);
  const RasOrder order = ras_order(from, volume.size);
  Volume turned;
  turned.size = order.size;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double sign = from.flipped[axis] ? -1.0 : 1.0;
    for (std::size_t r = 0; r < 3; ++r) {
      turned.affine[r][axis] = sign * volume.affine[r][from.axis[axis]];
    }
  }
  for (std::size_t r = 0; r < 3; ++r) {
    double origin = volume.affine[r][3];
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const auto last = static_cast<double>(turned.size[axis] - 1);
      if (from.flipped[axis]) origin -= turned.affine[r][axis] * last;
    }
    turned.affine[r][3] = origin;
  }
  turned.values.reserve(volume.values.size());
  for (std::int64_t k = 0; k < turned.size[2]; ++k) {
    for (std::int64_t j = 0; j < turned.size[1]; ++j) {
      for (std::int64_t i = 0; i < turned.size[0]; ++i) {
        turned.values.push_back(volume.values[order.place(i, j, k)]);
      }
    }
  }
  return turned;
}

}  // namespace harmofl::prepare
