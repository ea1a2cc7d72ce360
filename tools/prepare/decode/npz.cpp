// SPDX-License-Identifier: Apache-2.0
#include "prepare/decode/npz.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace harmofl::prepare {
namespace {

constexpr std::string_view npy_magic = "\x93NUMPY";
constexpr std::size_t max_header_bytes = 65535;
constexpr std::size_t max_axes = 8;

/// Takes the parts of a header off its front.
class NpyText {
 public:
  explicit NpyText(std::string_view text) : rest_(text) {}

  /// Takes `word` after blanks, if it stands there.
  bool takes(std::string_view word) {
    rest_.remove_prefix(std::min(rest_.size(), rest_.find_first_not_of(" \n")));
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void expect(std::string_view word) {
    if (!takes(word)) throw std::invalid_argument(concat("'", word, "' is missing in its header"));
  }
  std::string_view until(char end) {
    const std::string_view taken = rest_.substr(0, rest_.find(end));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  bool done() { return takes("") && rest_.empty(); }

 private:
  std::string_view rest_;
};

void parse_type(std::string_view type, NpyHeader& header) {
  const bool known = type.size() == 3 && (type[0] == '|' || type[0] == '<') &&
                     (type[1] == 'u' || type[1] == 'i') &&
                     std::string_view("1248").find(type[2]) != std::string_view::npos &&
                     (type[0] == '<' || type[2] == '1');
  if (!known) {
    throw std::invalid_argument(concat("its elements are of type '", printable(type),
                                       "', expected whole numbers such as '|u1' or '<i8'"));
  }
  header.kind = type[1];
  header.item_bytes = static_cast<std::size_t>(type[2] - '0');
}

/// "(3, 28, 28)", "(3,)" or "()".
void parse_shape(NpyText& text, NpyHeader& header) {
  text.expect("(");
  const std::string_view all = text.until(')');
  text.expect(")");
  for (std::string_view rest = all; rest.find_first_not_of(' ') != std::string_view::npos;) {
    const std::string_view axis = rest.substr(0, rest.find(','));
    const auto extent = parse_whole(axis);
    if (!extent || *extent < 0 || header.shape.size() == max_axes) {
      throw std::invalid_argument(concat("its shape (", printable(all), ") is not one"));
    }
    header.shape.push_back(*extent);
    rest.remove_prefix(std::min(rest.size(), axis.size() + 1));
  }
}

}  // namespace

std::optional<std::int64_t> NpyHeader::count() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) {
    if (extent > 0 && product > std::numeric_limits<std::int64_t>::max() / extent) return {};
    product *= extent;
  }
  return product;
}

NpyHeader parse_npy_header(std::string_view header_text) {
  NpyText text(header_text);
  NpyHeader header;
  text.expect("{");
  text.expect("'descr'");
  text.expect(":");
  text.expect("'");
  parse_type(text.until('\''), header);
  text.expect("'");
  text.expect(",");
  text.expect("'fortran_order'");
  text.expect(":");
  if (!text.takes("False")) throw std::invalid_argument("its order is that of Fortran");
  text.expect(",");
  text.expect("'shape'");
  text.expect(":");
  parse_shape(text, header);
  text.takes(",");
  text.expect("}");
  if (!text.done()) throw std::invalid_argument("its header goes on after its end");
  return header;
}

NpzFile::NpzFile(std::filesystem::path path) : path_(std::move(path)), archive_(open_archive()) {}

ZipArchive NpzFile::open_archive() const {
  try {
    return ZipArchive(path_, ZipEntries::stored_or_deflated);
  } catch (const ZipError& error) {
    throw UserError(concat(path_.string(), ": cannot be read as .npz: ", error.what(),
                           ". Replace the file by an intact one."));
  }
}

void NpzFile::fail(const std::string& array, const std::string& problem) const {
  throw UserError(concat(path_.string(), ": array '", array, "': ", problem,
                         ". Replace the file by one as NumPy's savez writes it."));
}

bool NpzFile::has(const std::string& array) const { return archive_.has(array + ".npy"); }

NpzFile::Array NpzFile::open(const std::string& array) {
  const std::string entry = array + ".npy";
  try {
    Array opened(*this, array, archive_.open(entry));
    opened.read_header(archive_.size(entry));
    return opened;
  } catch (const ZipError& error) {
    fail(array, error.what());
  }
}

NpzFile::Array::Array(const NpzFile& file, std::string name, ZipArchive::Stream stream)
    : file_(&file), name_(std::move(name)), stream_(std::move(stream)) {}

void NpzFile::Array::read_header(std::uint64_t size) {
  std::array<unsigned char, 12> start{};
  const auto bytes = [&](std::size_t from, std::size_t count) {
    return std::as_writable_bytes(std::span(start).subspan(from, count));
  };
  stream_.read(bytes(0, 8));
  const unsigned version = start[6];
  const std::string_view magic(reinterpret_cast<const char*>(start.data()), npy_magic.size());
  if (magic != npy_magic || version < 1 || version > 3) {
    file_->fail(name_, "it does not begin as an array of NumPy does");
  }
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  stream_.read(bytes(8, length_bytes));
  std::size_t length = start[8] + 256U * start[9];
  if (length_bytes == 4) length += 65536U * (start[10] + std::size_t{256} * start[11]);
  if (length > max_header_bytes) file_->fail(name_, concat("its header has ", length, " bytes"));
  std::string text(length, ' ');
  stream_.read(std::as_writable_bytes(std::span(text)));
  try {
    header_ = parse_npy_header(text);
  } catch (const std::invalid_argument& problem) {
    file_->fail(name_, problem.what());
  }
  const std::uint64_t data = size - 8 - length_bytes - length;
  const auto count = header_.count();
  if (!count || static_cast<std::uint64_t>(*count) != data / header_.item_bytes ||
      data % header_.item_bytes != 0) {
    file_->fail(name_, concat("it has ", data, " bytes, which its shape does not fit"));
  }
}

void NpzFile::Array::read(std::span<std::byte> bytes) {
  try {
    stream_.read(bytes);
  } catch (const ZipError& error) {
    file_->fail(name_, error.what());
  }
}

}  // namespace harmofl::prepare
