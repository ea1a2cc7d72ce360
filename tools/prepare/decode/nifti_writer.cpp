// SPDX-License-Identifier: Apache-2.0
#include "prepare/decode/nifti_writer.hpp"

#include "harmofl/base/error.hpp"
#include "prepare/decode/nifti_places.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <vector>

namespace harmofl::prepare {
namespace {

constexpr std::int16_t unsigned_byte = 2;  ///< The datatype.
constexpr std::size_t no_extensions = 4;   ///< Bytes of 0 behind the header.

/// Some bytes of a header.
struct ClearedBytes {
  std::size_t begin, size;
};

/// Name and kind of the data base, intent, range to display, descrip and aux_file.
constexpr std::array nifti1_cleared{ClearedBytes{4, 28},    ClearedBytes{56, 14},
                                    ClearedBytes{124, 8},   ClearedBytes{140, 8},
                                    ClearedBytes{148, 104}, ClearedBytes{328, 16}};
constexpr std::array nifti2_cleared{ClearedBytes{80, 24}, ClearedBytes{192, 16},
                                    ClearedBytes{240, 104}, ClearedBytes{504, 20}};

/// A header whose fields are set in its own byte order.
class MaskHeader {
 public:
  explicit MaskHeader(std::span<const std::byte> bytes)
      : bytes_(bytes.begin(), bytes.end()), second_(bytes.size() == nifti2_bytes) {
    HARMOFL_EXPECT(second_ || bytes.size() == nifti1_bytes);
    std::int32_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof(size));
    swapped_ = size != static_cast<std::int32_t>(bytes.size());
  }

  const NiftiPlaces& places() const { return second_ ? nifti2_places : nifti1_places; }

  template <class Number>
  void set(std::size_t place, Number value) {
    std::array<std::byte, sizeof(Number)> stored;
    std::memcpy(stored.data(), &value, sizeof(value));
    if (swapped_) std::ranges::reverse(stored);
    std::ranges::copy(stored, bytes_.begin() + static_cast<std::ptrdiff_t>(place));
  }

  void set_real(std::size_t place, double value) {
    if (second_) return set(place, value);
    set(place, static_cast<float>(value));
  }

  void set_offset(std::size_t offset) {
    if (second_) return set(places().offset, static_cast<std::int64_t>(offset));
    set(places().offset, static_cast<float>(offset));
  }

  void clear() {
    const auto fill = [this](const ClearedBytes& part) {
      std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(part.begin), part.size,
                  std::byte{0});
    };
    if (second_) {
      std::ranges::for_each(nifti2_cleared, fill);
    } else {
      std::ranges::for_each(nifti1_cleared, fill);
    }
  }

  std::string text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 private:
  std::vector<std::byte> bytes_;
  bool second_;
  bool swapped_ = false;
};

/// Ends a stream of zlib.
struct GzipStream {
  z_stream stream{};

  GzipStream() {
    constexpr int gzip = 16;  // added to the bits of the window: the format is that of gzip
    const int state = deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + gzip, 8,
                                   Z_DEFAULT_STRATEGY);
    if (state != Z_OK) throw std::bad_alloc();
  }
  ~GzipStream() { deflateEnd(&stream); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
};

}  // namespace

std::string nifti_mask(const Volume& volume, std::span<const std::uint8_t> mask) {
  HARMOFL_EXPECT(std::ssize(mask) == volume.size[0] * volume.size[1] * volume.size[2]);
  MaskHeader header(volume.header);
  const NiftiPlaces& at = header.places();
  header.clear();
  header.set(at.type, unsigned_byte);
  header.set(at.bits, std::int16_t{8});
  header.set_offset(volume.header.size() + no_extensions);
  header.set_real(at.slope, 1.0);
  header.set_real(at.intercept, 0.0);
  std::string bytes = header.text();
  bytes.append(no_extensions, '\0');
  bytes.append(reinterpret_cast<const char*>(mask.data()), mask.size());
  return bytes;
}

std::string gzip_of(std::string_view bytes) {
  constexpr std::size_t most_at_once = std::size_t{1} << 30;
  GzipStream packer;
  z_stream& stream = packer.stream;
  std::string packed;
  std::array<char, std::size_t{1} << 16> part;
  int state = Z_OK;
  while (state != Z_STREAM_END) {
    const std::string_view now = bytes.substr(0, most_at_once);
    bytes.remove_prefix(now.size());
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(now.data()));
    stream.avail_in = static_cast<uInt>(now.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(part.data());
      stream.avail_out = static_cast<uInt>(part.size());
      state = deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
      packed.append(part.data(), part.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
  return packed;
}

}  // namespace harmofl::prepare
