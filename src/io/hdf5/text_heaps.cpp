// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5/text_heaps.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

namespace harmofl::hdf5 {
namespace {

// A collection begins with a mark of 4 bytes, 4 more, and its length with these; an object with its
// number of 2 bytes, 6 more, and its length without these.
constexpr std::string_view mark = "GCOL";
constexpr std::int64_t header_bytes = 16;
constexpr std::size_t length_place = 8;
constexpr std::uint64_t alignment = 8;  ///< Of objects.

struct Header {
  std::array<std::byte, header_bytes> bytes{};

  bool marked() const { return std::memcmp(bytes.data(), mark.data(), mark.size()) == 0; }
  std::uint16_t number() const { return at<std::uint16_t>(0); }
  std::uint64_t length() const { return at<std::uint64_t>(length_place); }

 private:
  template <class Number>
  Number at(std::size_t place) const {
    Number number;
    std::memcpy(&number, bytes.data() + place, sizeof number);
    return number;
  }
};

Header header_at(const InputFile& file, std::int64_t place) {
  Header header;
  file.read(place, header.bytes);
  return header;
}

}  // namespace

TextHeaps::TextHeaps(const std::filesystem::path& path, std::int64_t first_address)
    : file_(path), first_address_(first_address), left_(file_.size()) {}

std::string TextHeaps::text(const TextReference& reference) {
  if (reference.heap == 0 || reference.length == 0) return {};
  const Objects& objects = collection_at(reference.heap);
  const auto found = objects.find(reference.object);
  if (found == objects.end() || found->second.bytes < reference.length) {
    throw TextError("lie where the file has none of their lengths");
  }
  std::string text(reference.length, '\0');
  file_.read(found->second.place, std::as_writable_bytes(std::span(text)));
  return text.substr(0, text.find('\0'));
}

const TextHeaps::Objects& TextHeaps::collection_at(std::uint64_t heap) {
  const auto known = collections_.find(heap);
  if (known != collections_.end()) return known->second;
  const auto room = static_cast<std::uint64_t>(file_.size() - first_address_);
  if (heap > room || room - heap < header_bytes) throw TextError("lie beyond its end");
  const std::int64_t start = first_address_ + static_cast<std::int64_t>(heap);
  const Header header = header_at(file_, start);
  if (!header.marked() || header.length() > room - heap) {
    throw TextError("lie where there is no heap of texts");
  }
  const auto bytes = static_cast<std::int64_t>(header.length());
  left_ -= bytes;
  if (left_ < 0) throw TextError("lie in heaps that overlap");
  return collections_[heap] = objects_between(start + header_bytes, start + bytes);
}

// Number 0 stands for the room that is left at the end.
TextHeaps::Objects TextHeaps::objects_between(std::int64_t place, std::int64_t end) const {
  Objects objects;
  while (end - place >= header_bytes) {
    const Header header = header_at(file_, place);
    place += header_bytes;
    if (header.number() == 0) break;
    if (header.length() > static_cast<std::uint64_t>(end - place)) {
      throw TextError("lie in a damaged heap");
    }
    objects[header.number()] = {place, header.length()};
    place += static_cast<std::int64_t>((header.length() + alignment - 1) / alignment * alignment);
  }
  return objects;
}

}  // namespace harmofl::hdf5
