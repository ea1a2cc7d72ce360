// SPDX-License-Identifier: Apache-2.0
#include "prepare/shards/piece.hpp"

#include <cstring>
#include <stdexcept>
#include <type_traits>

namespace harmofl::prepare {
namespace {

class Packer {
 public:
  template <class Number>
  void number(Number value) {
    static_assert(std::is_trivially_copyable_v<Number>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  template <class Bytes>
  void bytes(const Bytes& values) {
    number(std::int64_t{std::ssize(values)});
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size());
  }
  void image(const Image& image) {
    for (const std::int64_t side : {image.channels, image.size.height, image.size.width}) {
      number(side);
    }
    bytes(image.values);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : left_(bytes) {}

  template <class Number>
  Number number() {
    Number value{};
    std::memcpy(&value, next(sizeof(value)).data(), sizeof(value));
    return value;
  }
  std::string_view bytes() {
    const auto size = number<std::int64_t>();
    if (size < 0) throw std::out_of_range("bytes below 0");
    return next(static_cast<std::size_t>(size));
  }
  Image image() {
    Image image;
    image.channels = number<std::int64_t>();
    image.size.height = number<std::int64_t>();
    image.size.width = number<std::int64_t>();
    const std::string_view values = bytes();
    image.values.assign(values.begin(), values.end());
    return image;
  }
  bool done() const { return left_.empty(); }

 private:
  std::string_view next(std::size_t size) {
    if (size > left_.size()) throw std::out_of_range("bytes end early");
    const std::string_view found = left_.substr(0, size);
    left_.remove_prefix(size);
    return found;
  }

  std::string_view left_;
};

}  // namespace

std::string pack(const Decoded& decoded) {
  Packer packer;
  packer.bytes(decoded.problem);
  packer.bytes(decoded.checksums);
  packer.number(decoded.source_size.height);
  packer.number(decoded.source_size.width);
  packer.number(decoded.spacing.has_value());
  for (const double distance : decoded.spacing.value_or(std::array<double, 2>{})) {
    packer.number(distance);
  }
  for (const Piece& piece : decoded.pieces) {
    packer.bytes(piece.id);
    packer.number(piece.label);
    packer.image(piece.image);
    packer.image(piece.mask);
  }
  return packer.take();
}

Decoded unpack(std::string_view bytes) {
  Unpacker unpacker(bytes);
  Decoded decoded;
  decoded.problem = unpacker.bytes();
  decoded.checksums = unpacker.bytes();
  decoded.source_size.height = unpacker.number<std::int64_t>();
  decoded.source_size.width = unpacker.number<std::int64_t>();
  const bool known = unpacker.number<bool>();
  const auto down = unpacker.number<double>();
  const auto along = unpacker.number<double>();
  if (known) decoded.spacing = {down, along};
  while (!unpacker.done()) {
    Piece& piece = decoded.pieces.emplace_back();
    piece.id = unpacker.bytes();
    piece.label = unpacker.number<std::int64_t>();
    piece.image = unpacker.image();
    piece.mask = unpacker.image();
  }
  return decoded;
}

}  // namespace harmofl::prepare
