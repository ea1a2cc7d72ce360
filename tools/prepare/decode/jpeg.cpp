// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "prepare/decode/decoders.hpp"

#include <jpeglib.h>

#include <array>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <string>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t jpeg_planes_a_pixel = 4;  ///< Bytes of what is made of a pixel later.
/// Scans of a progressive file, each of which costs a pass over all pixels; encoders make about 10.
constexpr int max_scans = 100;

/// All state of one read, so that no local object lives across libjpeg's longjmp.
struct JpegReading {
  JpegReading() = default;
  ~JpegReading() { jpeg_destroy_decompress(&jpeg); }
  JpegReading(const JpegReading&) = delete;
  JpegReading& operator=(const JpegReading&) = delete;

  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back{};
  std::string error;
  Raster raster;
};

JpegReading& reading_of(j_common_ptr jpeg) { return *static_cast<JpegReading*>(jpeg->client_data); }

[[noreturn]] void give_up(j_common_ptr jpeg, const char* message) {
  JpegReading& reading = reading_of(jpeg);
  reading.error = message;
  std::longjmp(reading.back, 1);
}

extern "C" {
void on_jpeg_error(j_common_ptr jpeg) {
  char message[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, message);
  give_up(jpeg, message);
}
/// Below 0 is damage, which libjpeg would fill with made-up pixels.
void on_jpeg_message(j_common_ptr jpeg, int level) {
  if (level < 0) on_jpeg_error(jpeg);
}
void on_jpeg_progress(j_common_ptr jpeg) {
  const auto* decompress = reinterpret_cast<j_decompress_ptr>(jpeg);
  if (decompress->input_scan_number > max_scans) give_up(jpeg, "it has more than 100 scans");
}
}

void start(JpegReading& reading) {
  reading.jpeg.err = jpeg_std_error(&reading.errors);
  reading.errors.error_exit = on_jpeg_error;
  reading.errors.emit_message = on_jpeg_message;
  reading.jpeg.client_data = &reading;
}

/// Both return false with `reading.error` set when libjpeg gives up. Nothing that its longjmp would
/// leave behind may live in them.
bool decode_jpeg_header(JpegReading& reading, std::FILE* file) {
  if (setjmp(reading.back) != 0) return false;
  jpeg_create_decompress(&reading.jpeg);
  reading.progress.progress_monitor = on_jpeg_progress;
  reading.jpeg.progress = &reading.progress;
  jpeg_stdio_src(&reading.jpeg, file);
  jpeg_read_header(&reading.jpeg, TRUE);
  return true;
}

bool decode_jpeg_pixels(JpegReading& reading) {
  if (setjmp(reading.back) != 0) return false;
  jpeg_start_decompress(&reading.jpeg);
  while (reading.jpeg.output_scanline < reading.jpeg.output_height) {
    JSAMPROW row =
        reading.raster.bytes.data() + reading.jpeg.output_scanline * reading.raster.row_bytes();
    jpeg_read_scanlines(&reading.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&reading.jpeg);
  return true;
}

/// What is to come out; false for colours that are not read.
bool choose_output(jpeg_decompress_struct& jpeg) {
  const bool grey = jpeg.jpeg_color_space == JCS_GRAYSCALE;
  if (!grey && jpeg.jpeg_color_space != JCS_YCbCr && jpeg.jpeg_color_space != JCS_RGB) return false;
  jpeg.out_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
  jpeg.dct_method = JDCT_ISLOW;
  jpeg.do_fancy_upsampling = TRUE;
  jpeg.do_block_smoothing = FALSE;
  return true;
}

}  // namespace

Raster decode_jpeg(const std::filesystem::path& path, std::int64_t max_pixels) {
  const CFile file = open_c_file(path);
  JpegReading reading;
  start(reading);
  if (!decode_jpeg_header(reading, file.get())) refuse_damaged(path, "JPEG", reading.error);
  HARMOFL_VALIDATE(choose_output(reading.jpeg), path.string(), ": this JPEG has ",
                   reading.jpeg.num_components, " channels of colours that are not read (CMYK). ",
                   "Save it in grey or RGB.");
  Raster& raster = reading.raster;
  raster.size = {reading.jpeg.image_height, reading.jpeg.image_width};
  raster.channels = reading.jpeg.out_color_space == JCS_GRAYSCALE ? 1 : 3;
  const bool progressive = jpeg_has_multiple_scans(&reading.jpeg) != FALSE;
  const std::int64_t coefficients = progressive ? 2 * raster.channels : 0;
  check_size(path, raster.size, max_pixels, raster.channels + coefficients + jpeg_planes_a_pixel);
  raster.allocate();
  if (!decode_jpeg_pixels(reading)) refuse_damaged(path, "JPEG", reading.error);
  return std::move(raster);
}

}  // namespace harmofl::prepare
