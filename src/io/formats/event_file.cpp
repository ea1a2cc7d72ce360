// SPDX-License-Identifier: Apache-2.0
#include "io/formats/event_file.hpp"

#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"
#include "io/formats/protobuf_writer.hpp"

#include <boost/crc.hpp>

#include <algorithm>

namespace harmofl {
namespace {

// Field numbers of event.proto, summary.proto and tensor.proto.
namespace event {
constexpr int wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
}
namespace summary {
constexpr int value = 1;
constexpr int tag = 1, simple_value = 2, image = 4, tensor = 8, metadata = 9;
}  // namespace summary
namespace image {
constexpr int height = 1, width = 2, colorspace = 3, encoded = 4;
constexpr std::int64_t rgb = 3;
}  // namespace image
namespace tensor {
constexpr int dtype = 1, shape = 2, string_val = 8;
constexpr std::int64_t dt_string = 7;
}  // namespace tensor
constexpr int session_status = 1;
constexpr std::int64_t session_start = 1;

constexpr std::string_view name_start = "events.out.tfevents.";

/// CRC-32C, rotated and shifted, so that the checksum of bytes which hold checksums is a good one.
std::uint32_t masked_checksum(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> sum;
  sum.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t crc = sum.checksum();
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

ProtobufWriter event_at(double time_s, std::int64_t step) {
  ProtobufWriter found;
  found.real(event::wall_time, time_s);
  if (step != 0) found.whole(event::step, step);
  return found;
}

ProtobufWriter message_of(const EventScalar& scalar) {
  ProtobufWriter value;
  value.bytes(summary::tag, scalar.tag);
  value.real(summary::simple_value, static_cast<float>(scalar.value));
  return value;
}

ProtobufWriter message_of(const EventImage& picture) {
  ProtobufWriter message;
  message.whole(image::height, picture.height).whole(image::width, picture.width);
  message.whole(image::colorspace, image::rgb).bytes(image::encoded, picture.png);
  ProtobufWriter value;
  value.bytes(summary::tag, picture.tag).message(summary::image, message);
  return value;
}

/// A tensor of one string, of the plugin that shows texts.
ProtobufWriter message_of(const EventText& text) {
  ProtobufWriter size, shape, message, plugin, metadata;
  shape.message(2, size.whole(1, 1));  // TensorShapeProto.dim, its size
  message.whole(tensor::dtype, tensor::dt_string).message(tensor::shape, shape);
  message.bytes(tensor::string_val, text.markdown);
  metadata.message(1, plugin.bytes(1, "text"));  // SummaryMetadata.plugin_data, its plugin_name
  ProtobufWriter value;
  value.bytes(summary::tag, text.tag).message(summary::metadata, metadata);
  value.message(summary::tensor, message);
  return value;
}

/// The number that stands behind the start of a file's name; -1 where there is none.
std::int64_t second_of(const std::string& name) {
  if (!name.starts_with(name_start)) return -1;
  const std::size_t end = std::min(name.find('.', name_start.size()), name.size());
  return parse_whole(name.substr(name_start.size(), end - name_start.size())).value_or(-1);
}

}  // namespace

std::string event_record(std::string_view bytes) {
  const std::string length = little_endian(bytes.size(), 8);
  return concat(length, little_endian(masked_checksum(length), 4), bytes,
                little_endian(masked_checksum(bytes), 4));
}

// Version 2: a file whose SessionLog says where to go on from, not a step that is too low.
std::string first_event(double time_s) {
  return event_record(event_at(time_s, 0).bytes(event::file_version, "brain.Event:2").text());
}

std::string start_event(double time_s, std::int64_t step) {
  ProtobufWriter start;
  start.whole(session_status, session_start);
  return event_record(event_at(time_s, step).message(event::session_log, start).text());
}

std::string values_event(double time_s, std::int64_t step, const EventValues& values) {
  ProtobufWriter all;
  for (const EventScalar& scalar : values.scalars) all.message(summary::value, message_of(scalar));
  for (const EventImage& picture : values.images) all.message(summary::value, message_of(picture));
  for (const EventText& text : values.texts) all.message(summary::value, message_of(text));
  return event_record(event_at(time_s, step).message(event::summary, all).text());
}

std::string event_file_name(std::int64_t time_s, const std::string& host, std::int64_t process,
                            const std::vector<std::string>& existing) {
  for (const std::string& name : existing) time_s = std::max(time_s, second_of(name) + 1);
  std::string second = std::to_string(time_s);
  second.insert(0, 10 - std::min<std::size_t>(10, second.size()), '0');
  return concat(name_start, second, ".", host, ".", process, ".0");
}

}  // namespace harmofl
