// SPDX-License-Identifier: Apache-2.0
#include "io/formats/protobuf_writer.hpp"

#include "harmofl/base/error.hpp"

#include <bit>

namespace harmofl {
namespace {

// Of https://protobuf.dev/programming-guides/encoding: how many bytes a value takes.
constexpr int varint_type = 0;
constexpr int eight_bytes_type = 1;
constexpr int length_type = 2;
constexpr int four_bytes_type = 5;

}  // namespace

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xFFU);
  return text;
}

ProtobufWriter& ProtobufWriter::whole(int field, std::int64_t value) {
  key(field, varint_type);
  varint(static_cast<std::uint64_t>(value));
  return *this;
}

ProtobufWriter& ProtobufWriter::real(int field, double value) {
  key(field, eight_bytes_type);
  text_ += little_endian(std::bit_cast<std::uint64_t>(value), 8);
  return *this;
}

ProtobufWriter& ProtobufWriter::real(int field, float value) {
  key(field, four_bytes_type);
  text_ += little_endian(std::bit_cast<std::uint32_t>(value), 4);
  return *this;
}

ProtobufWriter& ProtobufWriter::bytes(int field, std::string_view value) {
  key(field, length_type);
  varint(value.size());
  text_ += value;
  return *this;
}

void ProtobufWriter::key(int field, int wire_type) {
  HARMOFL_EXPECT(field >= 1 && field <= 15);
  text_ += static_cast<char>((field << 3) | wire_type);
}

// Seven bits a byte, the least significant first; the top bit says that more follow.
void ProtobufWriter::varint(std::uint64_t value) {
  for (; value > 0x7F; value >>= 7) text_ += static_cast<char>((value & 0x7F) | 0x80);
  text_ += static_cast<char>(value);
}

}  // namespace harmofl
