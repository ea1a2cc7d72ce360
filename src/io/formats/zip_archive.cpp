// SPDX-License-Identifier: Apache-2.0
#include "io/formats/zip_archive.hpp"

#include "harmofl/base/text.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

namespace harmofl {
namespace {

constexpr std::uint32_t end_mark = 0x06054b50, end64_mark = 0x06064b50,
                        end64_place_mark = 0x07064b50, entry_mark = 0x02014b50,
                        local_mark = 0x04034b50;
constexpr std::uint64_t end_bytes = 22, end64_bytes = 56, end64_place_bytes = 20, entry_bytes = 46,
                        local_bytes = 30;
constexpr std::uint64_t max_comment_bytes = 0xFFFF;
constexpr std::uint32_t in_extra = 0xFFFFFFFF;  ///< The field is in the zip64 part of the entry.
constexpr std::uint16_t zip64_part = 1;
constexpr std::uint16_t encrypted = 1;  ///< Of the flags.
constexpr std::uint16_t method_stored = 0, method_deflated = 8;
constexpr std::uint64_t best_deflate = 1032;      ///< Deflate shrinks at most 1032 to 1.
constexpr std::uint64_t input_bytes = 64 * 1024;  ///< Of the file that are inflated at a time.

template <class... Parts>
void check_zip(bool good, const Parts&... problem) {
  if (!good) throw ZipError(concat(problem...));
}

}  // namespace

/// Takes little-endian fields off the front of some bytes.
class ZipFields {
 public:
  explicit ZipFields(std::string_view bytes) : rest_(bytes) {}

  template <class Number>
  Number take() {
    Number number;
    std::memcpy(&number, text(sizeof(Number)).data(), sizeof(Number));
    return number;
  }
  std::string_view text(std::size_t size) {
    check_zip(size <= rest_.size(), "its directory is damaged");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  void skip(std::size_t size) { text(size); }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

namespace {

/// The zip64 part of an entry's extra field, "" when there is none.
std::string_view zip64_fields(std::string_view extra) {
  ZipFields fields(extra);
  while (!fields.done()) {
    const auto kind = fields.take<std::uint16_t>();
    const std::string_view part = fields.text(fields.take<std::uint16_t>());
    if (kind == zip64_part) return part;
  }
  return {};
}

}  // namespace

/// Where an entry is read, and how far.
struct ZipArchive::Stream::Impl {
  Impl(std::ifstream& archive, std::string entry, bool deflated_entry)
      : file(archive), name(std::move(entry)), deflated(deflated_entry) {
    if (deflated && inflateInit2(&zlib, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Impl() {
    if (deflated) inflateEnd(&zlib);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// Reads the next stored bytes of the file.
  void take_stored(std::span<std::byte> bytes) {
    check_zip(bytes.size() <= stored_left, "its entry '", name, "' ends too early");
    file.seekg(static_cast<std::streamoff>(place));
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    check_zip(file.good(), "its entry '", name, "' cannot be read");
    place += bytes.size();
    stored_left -= bytes.size();
  }

  void inflate_into(std::span<std::byte> bytes) {
    zlib.next_out = reinterpret_cast<Bytef*>(bytes.data());
    zlib.avail_out = static_cast<uInt>(bytes.size());
    while (zlib.avail_out > 0) {
      if (zlib.avail_in == 0 && stored_left > 0) {
        input.resize(std::min(stored_left, input_bytes));
        take_stored(input);
        zlib.next_in = reinterpret_cast<Bytef*>(input.data());
        zlib.avail_in = static_cast<uInt>(input.size());
      }
      const int status = inflate(&zlib, Z_NO_FLUSH);
      const bool ends = status == Z_STREAM_END && zlib.avail_out > 0;
      check_zip((status == Z_OK || status == Z_STREAM_END) && !ends, "its entry '", name,
                "' is damaged, or shorter than it claims");
    }
  }

  std::ifstream& file;
  std::string name;
  bool deflated;
  std::uint64_t place = 0, stored_left = 0;  ///< In the file, in bytes.
  std::uint64_t left = 0;                    ///< Of the content, in bytes.
  std::uint32_t crc = 0, expected_crc = 0;
  std::vector<std::byte> input{};
  z_stream zlib{};
};

ZipArchive::Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ZipArchive::Stream::Stream(Stream&& other) noexcept = default;
ZipArchive::Stream::~Stream() = default;

void ZipArchive::Stream::read(std::span<std::byte> bytes) {
  Impl& self = *impl_;
  check_zip(bytes.size() <= self.left, "its entry '", self.name, "' ends too early");
  for (std::span<std::byte> rest = bytes; !rest.empty();) {
    const auto part = rest.first(std::min<std::size_t>(rest.size(), std::size_t{1} << 30));
    if (self.deflated) {
      self.inflate_into(part);
    } else {
      self.take_stored(part);
    }
    rest = rest.subspan(part.size());
  }
  self.left -= bytes.size();
  self.crc = static_cast<std::uint32_t>(
      crc32_z(self.crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
  check_zip(self.left > 0 || self.crc == self.expected_crc, "its entry '", self.name,
            "' does not match its checksum: it is damaged");
}

ZipArchive::ZipArchive(const std::filesystem::path& path, ZipEntries allowed)
    : file_(path, std::ios::binary), allowed_(allowed) {
  std::error_code error;
  file_size_ = std::filesystem::file_size(path, error);
  check_zip(file_.good() && !error, "it cannot be read");
  read_directory(find_directory());
}

std::vector<std::byte> ZipArchive::read(const std::string& name) {
  Stream stream = open(name);  // checks that the entry lies within the file
  std::vector<std::byte> content(entries_.at(name).size);
  stream.read(content);
  return content;
}

ZipArchive::Stream ZipArchive::open(const std::string& name) {
  const Entry entry = entries_.at(name);
  const std::string header = bytes_at(entry.header, local_bytes);
  ZipFields fields(header);
  check_zip(fields.take<std::uint32_t>() == local_mark, "its entry '", name, "' is damaged");
  fields.skip(22);
  const std::uint64_t names = fields.take<std::uint16_t>();
  const std::uint64_t begin = entry.header + local_bytes + names + fields.take<std::uint16_t>();
  check_zip(begin <= file_size_ && entry.stored <= file_size_ - begin, "its entry '", name,
            "' reaches beyond the file");
  auto impl = std::make_unique<Stream::Impl>(file_, name, entry.deflated);
  impl->place = begin;
  impl->stored_left = entry.stored;
  impl->left = entry.size;
  impl->expected_crc = entry.crc;
  return Stream(std::move(impl));
}

std::string ZipArchive::bytes_at(std::uint64_t begin, std::uint64_t size) {
  check_zip(begin <= file_size_ && size <= file_size_ - begin, "it ends too early");
  std::string bytes(size, '\0');
  file_.seekg(static_cast<std::streamoff>(begin));
  file_.read(bytes.data(), static_cast<std::streamsize>(size));
  check_zip(file_.good(), "it cannot be read");
  return bytes;
}

/// The record at the end, which a comment may follow, and with zip64 the larger one before it.
ZipArchive::Directory ZipArchive::find_directory() {
  check_zip(file_size_ >= end_bytes, "it is not a zip archive");
  const std::uint64_t tail = std::min(file_size_, end_bytes + max_comment_bytes);
  const std::string bytes = bytes_at(file_size_ - tail, tail);
  std::uint64_t place = tail - end_bytes;
  const auto is_end = [&] {
    ZipFields fields(std::string_view(bytes).substr(place));
    if (fields.take<std::uint32_t>() != end_mark) return false;
    fields.skip(end_bytes - 6);
    return fields.take<std::uint16_t>() == tail - place - end_bytes;
  };
  while (!is_end()) check_zip(place-- > 0, "it is not a zip archive, or is cut off");

  if (place >= end64_place_bytes) {
    ZipFields fields(std::string_view(bytes).substr(place - end64_place_bytes));
    if (fields.take<std::uint32_t>() == end64_place_mark) {
      fields.skip(4);
      const std::string record = bytes_at(fields.take<std::uint64_t>(), end64_bytes);
      ZipFields end64(record);
      check_zip(end64.take<std::uint32_t>() == end64_mark, "its directory is damaged");
      end64.skip(28);
      const auto entries = end64.take<std::uint64_t>();
      const auto size = end64.take<std::uint64_t>();
      return {end64.take<std::uint64_t>(), size, entries};
    }
  }
  ZipFields fields(std::string_view(bytes).substr(place));
  fields.skip(10);
  const std::uint64_t entries = fields.take<std::uint16_t>();
  const std::uint64_t size = fields.take<std::uint32_t>();
  return {fields.take<std::uint32_t>(), size, entries};
}

void ZipArchive::read_directory(const Directory& directory) {
  check_zip(directory.entries <= directory.size / entry_bytes, "its directory claims ",
            directory.entries, " entries in ", directory.size, " bytes");
  const std::string bytes = bytes_at(directory.begin, directory.size);
  ZipFields fields(bytes);
  for (std::uint64_t i = 0; i < directory.entries; ++i) add_entry(fields);
}

void ZipArchive::add_entry(ZipFields& fields) {
  check_zip(fields.take<std::uint32_t>() == entry_mark, "its directory is damaged");
  fields.skip(4);
  const auto flags = fields.take<std::uint16_t>();
  const auto method = fields.take<std::uint16_t>();
  fields.skip(4);
  const auto crc = fields.take<std::uint32_t>();
  std::uint64_t stored = fields.take<std::uint32_t>();
  std::uint64_t size = fields.take<std::uint32_t>();
  const auto name_size = fields.take<std::uint16_t>();
  const auto extra_size = fields.take<std::uint16_t>();
  const auto comment_size = fields.take<std::uint16_t>();
  fields.skip(8);
  std::uint64_t header = fields.take<std::uint32_t>();
  const std::string name(fields.text(name_size));
  ZipFields large(zip64_fields(fields.text(extra_size)));
  fields.skip(comment_size);
  for (std::uint64_t* field : {&size, &stored, &header}) {
    if (*field == in_extra) *field = large.take<std::uint64_t>();
  }
  const bool deflated = method == method_deflated && allowed_ == ZipEntries::stored_or_deflated;
  check_zip((method == method_stored || deflated) && (flags & encrypted) == 0 &&
                (deflated || stored == size),
            "its entry '", name, "' is compressed or encrypted");
  check_zip(
      stored <= file_size_ && entries_size_ <= file_size_ - stored && size / best_deflate <= stored,
      "its entries claim more than the ", file_size_, " bytes of the file can hold");
  check_zip(header <= file_size_, "its entry '", name, "' reaches beyond the file");
  entries_size_ += stored;
  if (entries_.empty()) first_ = name;
  check_zip(entries_.emplace(name, Entry{header, stored, size, crc, deflated}).second,
            "it has the entry '", name, "' twice");
}

}  // namespace harmofl
