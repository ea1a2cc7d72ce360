// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/image_source.hpp"

namespace harmofl::prepare {

ImageSource::OpenArray::OpenArray(const Sample& sample)
    : path(sample.image), name(sample.array), file(path), array(file.open(name)) {}

bool ImageSource::OpenArray::leads_to(const Sample& sample) const {
  return path == sample.image && name == sample.array && row <= sample.row;
}

Raster ImageSource::OpenArray::next() {
  const std::vector<std::int64_t>& shape = array.header().shape;
  Raster raster{{shape.at(1), shape.at(2)}, shape.size() == 4 ? 3 : 1};
  raster.allocate();
  array.read(std::as_writable_bytes(std::span(raster.bytes)));
  ++row;
  return raster;
}

Image ImageSource::read(const Sample& sample, bool grey, std::int64_t max_pixels) {
  if (sample.array.empty()) return read_image(sample.image, grey, max_pixels);
  if (!open_ || !open_->leads_to(sample)) open_ = std::make_unique<OpenArray>(sample);
  const std::vector<std::int64_t>& shape = open_->array.header().shape;
  constexpr std::int64_t bytes_a_pixel = 7;  // the stored pixels and what is made of them
  check_size(sample.image, {shape.at(1), shape.at(2)}, max_pixels, bytes_a_pixel);
  while (open_->row < sample.row) open_->next();
  return to_image(open_->next(), grey);
}

}  // namespace harmofl::prepare
