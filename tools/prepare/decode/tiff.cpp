// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "prepare/decode/decoders.hpp"

#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <string>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t tiff_planes_a_pixel = 4;  ///< Bytes of what is made of a pixel later.
constexpr std::size_t tile_side_unit = 16;       ///< The format wants tiles of multiples of it.
constexpr std::size_t max_row_bytes = std::size_t{64} << 20;  ///< Of one decoded tile or row.

/// What libtiff says while it reads.
struct TiffMessages {
  std::string error;    ///< The first one.
  std::string warning;  ///< The first one since it was cleared.
};

int note_tiff_message(std::string& first, const char* format, va_list values) {
  std::array<char, 512> text{};
  std::vsnprintf(text.data(), text.size(), format, values);
  if (first.empty()) first = text.data();
  return 1;  // nothing more is done with it
}

extern "C" {
int on_tiff_error(TIFF*, void* messages, const char*, const char* format, va_list values) {
  return note_tiff_message(static_cast<TiffMessages*>(messages)->error, format, values);
}
int on_tiff_warning(TIFF*, void* messages, const char*, const char* format, va_list values) {
  return note_tiff_message(static_cast<TiffMessages*>(messages)->warning, format, values);
}
}

/// A compression that is read, and how many bytes it makes of one at most; 0 where one byte may
/// stand for any number of pixels.
struct TiffCompression {
  std::uint16_t code;
  const char* name;
  std::uintmax_t best;
};

constexpr TiffCompression tiff_compressions[] = {
    {COMPRESSION_NONE, "none", 1},
    {COMPRESSION_PACKBITS, "PackBits", 64},  // two bytes for a run of 128
    {COMPRESSION_LZW, "LZW", 2731},          // 12 bits for at most 4096 bytes
    {COMPRESSION_ADOBE_DEFLATE, "Deflate", 1032},
    {COMPRESSION_DEFLATE, "Deflate", 1032},
    {COMPRESSION_JPEG, "JPEG", 0},
    {COMPRESSION_CCITTRLE, "CCITT RLE", 0},
    {COMPRESSION_CCITTFAX3, "CCITT group 3", 0},
    {COMPRESSION_CCITTFAX4, "CCITT group 4", 0},
};

/// What the first page says of itself.
struct TiffFacts {
  std::uint16_t bits = 1, samples = 1, photometric = 0, planar = 1, compression = 1, format = 1,
                orientation = 1;
  std::uint16_t colours = 1;                      ///< Of `samples`, those that are not extra.
  std::uint16_t extra = EXTRASAMPLE_UNSPECIFIED;  ///< What the one extra sample is.
};

/// An open file and how to speak of it.
class TiffReading {
 public:
  TiffReading(std::filesystem::path path, std::int64_t max_pixels)
      : path_(std::move(path)), max_pixels_(max_pixels), file_(open()) {}

  Raster read();

 private:
  using File = std::unique_ptr<TIFF, void (*)(TIFF*)>;

  File open();
  TiffFacts read_facts();
  void check_kind(const TiffFacts& facts);
  void check_pages();
  void read_strips(const TiffFacts& facts, Raster& raster);
  void read_tiles(const TiffFacts& facts, Raster& raster);
  void place(const TiffFacts& facts, const std::uint8_t* row, std::int64_t y, std::int64_t x,
             std::int64_t count, std::uint16_t plane, Raster& raster) const;
  void read_tiff_palette(Raster& raster);
  void finish_extra(const TiffFacts& facts, Raster& raster) const;

  [[noreturn]] void damaged() const {
    const std::string& why = messages_.error.empty() ? messages_.warning : messages_.error;
    refuse_damaged(path_, "TIFF", why.empty() ? "a part of it is missing" : why);
  }
  [[noreturn]] void unread(const std::string& what) const {
    throw UserError(concat(path_.string(), ": this TIFF has ", what,
                           ", which is not read. Save it as PNG, or as a plain TIFF."));
  }

  std::filesystem::path path_;
  std::int64_t max_pixels_;
  TiffMessages messages_{};
  File file_;
};

/// Without memory mapping ("m"): a file that shrinks while it is read is then an error.
TiffReading::File TiffReading::open() {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  if (!options) throw std::bad_alloc();
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path_));
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(),
                                      size + static_cast<std::int64_t>(max_row_bytes));
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_tiff_error, &messages_);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_tiff_warning, &messages_);
  File file(TIFFOpenExt(path_.c_str(), "rm", options.get()), TIFFClose);
  if (!file) damaged();
  return file;
}

TiffFacts TiffReading::read_facts() {
  TIFF* file = file_.get();
  TiffFacts facts;
  TIFFGetFieldDefaulted(file, TIFFTAG_BITSPERSAMPLE, &facts.bits);
  TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLESPERPIXEL, &facts.samples);
  TIFFGetFieldDefaulted(file, TIFFTAG_PLANARCONFIG, &facts.planar);
  TIFFGetFieldDefaulted(file, TIFFTAG_COMPRESSION, &facts.compression);
  TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLEFORMAT, &facts.format);
  TIFFGetFieldDefaulted(file, TIFFTAG_ORIENTATION, &facts.orientation);
  if (TIFFGetField(file, TIFFTAG_PHOTOMETRIC, &facts.photometric) == 0) {
    unread("no word of what its samples mean (PhotometricInterpretation)");
  }
  const bool grey = facts.photometric == PHOTOMETRIC_MINISBLACK ||
                    facts.photometric == PHOTOMETRIC_MINISWHITE ||
                    facts.photometric == PHOTOMETRIC_PALETTE;
  facts.colours = grey ? 1 : 3;
  std::uint16_t count = 0;
  const std::uint16_t* kinds = nullptr;
  TIFFGetFieldDefaulted(file, TIFFTAG_EXTRASAMPLES, &count, &kinds);
  if (count > 0 && kinds != nullptr) facts.extra = kinds[0];
  return facts;
}

void TiffReading::check_kind(const TiffFacts& facts) {
  const bool full_depth = facts.bits == 8 || facts.bits == 16;
  const bool small = facts.bits == 1 || facts.bits == 2 || facts.bits == 4;
  if (!full_depth && !(small && facts.samples == 1)) {
    unread(concat(facts.samples, " samples of ", facts.bits, " bits a pixel"));
  }
  if (facts.format != SAMPLEFORMAT_UINT) unread("samples that are signed or not whole numbers");
  const bool ycbcr = facts.photometric == PHOTOMETRIC_YCBCR;
  const bool colour = facts.colours == 1 || facts.photometric == PHOTOMETRIC_RGB ||
                      (ycbcr && facts.compression == COMPRESSION_JPEG);
  if (!colour) unread(concat("colours of kind ", facts.photometric));
  const bool palette = facts.photometric == PHOTOMETRIC_PALETTE;
  if (facts.samples < facts.colours || facts.samples > facts.colours + (palette ? 0 : 1)) {
    unread(concat(facts.samples, " samples a pixel"));
  }
  if (palette && facts.bits > 8) unread("a palette of more than 256 colours");
  if (facts.orientation != ORIENTATION_TOPLEFT) {
    unread(concat("its rows in another order than from the top left (orientation ",
                  facts.orientation, ")"));
  }
  if (ycbcr) TIFFSetField(file_.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
}

/// One page; a whole-slide file has its image on the first, and smaller ones behind it.
void TiffReading::check_pages() {
  std::string ending = path_.extension().string();
  std::ranges::transform(ending, ending.begin(), [](char letter) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  });
  if (ending == ".svs" || TIFFLastDirectory(file_.get()) != 0) return;
  unread("more than one page");
}

/// Copies `count` pixels of a decoded row to row `y` from column `x` on, one byte or two a sample.
void TiffReading::place(const TiffFacts& facts, const std::uint8_t* row, std::int64_t y,
                        std::int64_t x, std::int64_t count, std::uint16_t plane,
                        Raster& raster) const {
  const std::size_t bytes = raster.sample_bytes();
  const auto channels = static_cast<std::size_t>(raster.channels);
  std::uint8_t* to = raster.bytes.data() + static_cast<std::size_t>(y) * raster.row_bytes() +
                     static_cast<std::size_t>(x) * channels * bytes;
  const auto pixels = static_cast<std::size_t>(count);
  if (facts.bits < 8) {  // one sample a pixel, the first one in the highest bits
    const unsigned bits = facts.bits;
    for (std::size_t i = 0; i < pixels; ++i) {
      const std::size_t bit = i * bits;
      to[i] = static_cast<std::uint8_t>((row[bit / 8] >> (8 - bits - bit % 8)) & raster.largest());
    }
  } else if (facts.planar == PLANARCONFIG_CONTIG) {
    std::memcpy(to, row, pixels * channels * bytes);
  } else {
    for (std::size_t i = 0; i < pixels; ++i) {
      std::memcpy(to + (i * channels + plane) * bytes, row + i * bytes, bytes);
    }
  }
}

void TiffReading::read_strips(const TiffFacts& facts, Raster& raster) {
  const auto size = static_cast<std::size_t>(TIFFScanlineSize64(file_.get()));
  const bool chunky = facts.planar == PLANARCONFIG_CONTIG;
  const std::size_t needed =
      (static_cast<std::size_t>(raster.size.width) * facts.bits * (chunky ? facts.samples : 1U) +
       7) /
      8;
  if (size < needed || size > max_row_bytes) damaged();
  std::vector<std::uint8_t> row(size);
  const auto planes = static_cast<std::uint16_t>(chunky ? 1 : facts.samples);
  for (std::uint16_t plane = 0; plane < planes; ++plane) {
    for (std::int64_t y = 0; y < raster.size.height; ++y) {
      if (TIFFReadScanline(file_.get(), row.data(), static_cast<std::uint32_t>(y), plane) != 1) {
        damaged();
      }
      place(facts, row.data(), y, 0, raster.size.width, plane, raster);
    }
  }
}

void TiffReading::read_tiles(const TiffFacts& facts, Raster& raster) {
  std::uint32_t width = 0, height = 0;
  TIFFGetField(file_.get(), TIFFTAG_TILEWIDTH, &width);
  TIFFGetField(file_.get(), TIFFTAG_TILELENGTH, &height);
  if (width == 0 || height == 0 || width % tile_side_unit != 0 || height % tile_side_unit != 0) {
    unread(concat("tiles of ", height, "x", width));
  }
  const bool chunky = facts.planar == PLANARCONFIG_CONTIG;
  const std::size_t row_bytes =
      static_cast<std::size_t>(width) * facts.bits * (chunky ? facts.samples : 1U) / 8;
  const auto size = static_cast<std::size_t>(TIFFTileSize64(file_.get()));
  if (size > max_row_bytes || size < row_bytes * height)
    unread(concat("tiles of ", size, " bytes"));
  std::vector<std::uint8_t> tile(size);
  const auto planes = static_cast<std::uint16_t>(chunky ? 1 : facts.samples);
  for (std::uint16_t plane = 0; plane < planes; ++plane) {
    for (std::int64_t top = 0; top < raster.size.height; top += height) {
      for (std::int64_t left = 0; left < raster.size.width; left += width) {
        if (TIFFReadTile(file_.get(), tile.data(), static_cast<std::uint32_t>(left),
                         static_cast<std::uint32_t>(top), 0, plane) < 0) {
          damaged();
        }
        const std::int64_t rows = std::min<std::int64_t>(height, raster.size.height - top);
        const std::int64_t columns = std::min<std::int64_t>(width, raster.size.width - left);
        for (std::int64_t y = 0; y < rows; ++y) {
          place(facts, tile.data() + static_cast<std::size_t>(y) * row_bytes, top + y, left,
                columns, plane, raster);
        }
      }
    }
  }
}

/// Colours of 16 bits, of which programs write 8 as value * 256 or as value * 257: the high byte is
/// the value of both. Old programs wrote 8 bits there, and then none is above 255.
void TiffReading::read_tiff_palette(Raster& raster) {
  const std::uint16_t* planes[3] = {};
  if (TIFFGetField(file_.get(), TIFFTAG_COLORMAP, &planes[0], &planes[1], &planes[2]) == 0) {
    refuse_damaged(path_, "TIFF", "its palette is missing");
  }
  const std::size_t count = std::size_t{1} << raster.bits;
  unsigned top = 0;
  for (const std::uint16_t* plane : planes) {
    for (std::size_t i = 0; i < count; ++i) top = std::max<unsigned>(top, plane[i]);
  }
  const auto colour = [&](unsigned value) {
    return static_cast<std::uint8_t>(top > 255 ? value >> 8U : value);
  };
  for (std::size_t i = 0; i < count; ++i) {
    raster.palette.push_back(
        {colour(planes[0][i]), colour(planes[1][i]), colour(planes[2][i]), 255});
  }
}

/// An extra sample of no stated meaning is taken for opacity where all of it is opaque.
void TiffReading::finish_extra(const TiffFacts& facts, Raster& raster) const {
  if (!raster.has_opacity()) return;
  raster.premultiplied = facts.extra == EXTRASAMPLE_ASSOCALPHA;
  if (facts.extra == EXTRASAMPLE_ASSOCALPHA || facts.extra == EXTRASAMPLE_UNASSALPHA) return;
  const auto channels = static_cast<std::size_t>(raster.channels);
  for (std::size_t i = 0; i < raster.pixels(); ++i) {
    if (raster.sample(i * channels + channels - 1) != raster.largest()) {
      unread("an extra channel of which it does not say what it is");
    }
  }
}

void invert(Raster& raster) {
  const auto channels = static_cast<std::size_t>(raster.channels);
  const std::size_t bytes = raster.sample_bytes();
  for (std::size_t i = 0; i < raster.pixels() * channels; i += channels) {
    const auto value = static_cast<std::uint16_t>(raster.largest() - raster.sample(i));
    if (bytes == 2) {
      std::memcpy(raster.bytes.data() + i * bytes, &value, sizeof(value));
    } else {
      raster.bytes[i] = static_cast<std::uint8_t>(value);
    }
  }
}

Raster TiffReading::read() {
  TIFF* file = file_.get();
  std::uint32_t width = 0, height = 0;
  if (TIFFGetField(file, TIFFTAG_IMAGEWIDTH, &width) == 0 ||
      TIFFGetField(file, TIFFTAG_IMAGELENGTH, &height) == 0) {
    damaged();
  }
  const TiffFacts facts = read_facts();
  const auto* compression =
      std::ranges::find(tiff_compressions, facts.compression, &TiffCompression::code);
  if (compression == std::end(tiff_compressions) || TIFFIsCODECConfigured(facts.compression) == 0) {
    unread(concat("compression of kind ", facts.compression));
  }
  check_kind(facts);
  check_pages();
  Raster raster{{height, width}, facts.samples, facts.bits};
  check_size(
      path_, raster.size, max_pixels_,
      facts.samples * static_cast<std::int64_t>(raster.sample_bytes()) + tiff_planes_a_pixel);
  const std::uintmax_t row = (std::uintmax_t{width} * facts.samples * facts.bits + 7) / 8;
  if (compression->best > 0) check_holds(path_, raster.size, row * height, compression->best);
  raster.allocate();
  messages_ = {};  // warnings of unknown tags do no harm, those of pixels tell of damage
  if (TIFFIsTiled(file) != 0) {
    read_tiles(facts, raster);
  } else {
    read_strips(facts, raster);
  }
  if (!messages_.error.empty() || !messages_.warning.empty()) damaged();
  if (facts.photometric == PHOTOMETRIC_MINISWHITE) invert(raster);
  if (facts.photometric == PHOTOMETRIC_PALETTE) read_tiff_palette(raster);
  finish_extra(facts, raster);
  return raster;
}

}  // namespace

Raster decode_tiff(const std::filesystem::path& path, std::int64_t max_pixels) {
  return TiffReading(path, max_pixels).read();
}

}  // namespace harmofl::prepare
