// SPDX-License-Identifier: Apache-2.0
/// Messages in the wire format of Protocol Buffers, written field by field.
///
/// Not by the library of that name: libtorch brings one of its own, and two versions of it do not
/// live in one process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace harmofl {

/// A message that grows with every field that is added. Field numbers are from 1 to 15, whose key
/// is one byte.
class ProtobufWriter {
 public:
  /// An int32, an int64, an enum or a bool: a varint.
  ProtobufWriter& whole(int field, std::int64_t value);
  /// A double, and a float: their bits, the least significant byte first.
  ProtobufWriter& real(int field, double value);
  ProtobufWriter& real(int field, float value);
  /// Bytes, a string (which is to be UTF-8) or a message of its own.
  ProtobufWriter& bytes(int field, std::string_view value);
  ProtobufWriter& message(int field, const ProtobufWriter& value) {
    return bytes(field, value.text());
  }

  /// The bytes of the message.
  const std::string& text() const { return text_; }

 private:
  void key(int field, int wire_type);
  void varint(std::uint64_t value);

  std::string text_;
};

/// `value` as `bytes` bytes, the least significant first.
std::string little_endian(std::uint64_t value, int bytes);

}  // namespace harmofl
