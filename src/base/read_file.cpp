// SPDX-License-Identifier: Apache-2.0
#include "base/read_file.hpp"

#include "base/process/memory.hpp"
#include "harmofl/base/error.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// A table with a line for each of ten million images, more than any run has, is smaller.
constexpr std::uintmax_t longest_text_bytes = std::uintmax_t{1} << 30;

[[noreturn]] void fail(const fs::path& path, const std::string& why) {
  throw UserError(concat(path.string(), ": cannot be read (", why,
                         "). Check that the file is there and that you may read it."));
}

/// Closes what it holds.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }

 private:
  int number_;
};

void check_length(const fs::path& path, std::uintmax_t bytes) {
  HARMOFL_VALIDATE(bytes <= longest_text_bytes, path.string(), ": is longer than ",
                   human_bytes(static_cast<double>(longest_text_bytes)),
                   ", which no text for this program is. Check that it is the file that you mean.");
}

bool is_regular(int descriptor) {
  struct stat found = {};
  return fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode);
}

}  // namespace

std::string why_not_a_file(const fs::path& path) {
  std::error_code failed;
  switch (fs::status(path, failed).type()) {
    case fs::file_type::regular:
      return "";
    case fs::file_type::directory:
      return "it is a folder";
    case fs::file_type::fifo:
      return "it is a FIFO";
    case fs::file_type::socket:
      return "it is a socket";
    case fs::file_type::block:
    case fs::file_type::character:
      return "it is a device";
    case fs::file_type::not_found:
      return fs::is_symlink(fs::symlink_status(path, failed)) ? "it is a link to nothing"
                                                              : "there is no such file";
    default:
      return failed ? failed.message() : "it is not a file";
  }
}

void read_file(const fs::path& path, const std::function<void(std::span<const std::byte>)>& take) {
  if (const std::string why = why_not_a_file(path); !why.empty()) fail(path, why);
  // Without waiting, should it have become a FIFO since.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.number() < 0) fail(path, std::strerror(errno));
  if (!is_regular(file.number())) fail(path, "it is not a file any more");
  std::vector<std::byte> part(std::size_t{1} << 16);
  while (true) {
    const ssize_t count = read(file.number(), part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, std::strerror(errno));
    if (count == 0) return;
    take(std::span(part).first(static_cast<std::size_t>(count)));
  }
}

std::string read_bytes(const fs::path& path) {
  std::string bytes;
  read_file(path, [&](std::span<const std::byte> part) {
    bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
    HARMOFL_VALIDATE(std::ssize(bytes) <= machine_memory_bytes(), path.string(),
                     ": has more bytes than this machine has memory. Give another file.");
  });
  return bytes;
}

std::string read_text_file(const fs::path& path) {
  std::error_code unknown;
  const std::uintmax_t claimed = fs::file_size(path, unknown);
  if (!unknown) check_length(path, claimed);
  std::string text;
  read_file(path, [&](std::span<const std::byte> part) {
    check_length(path, text.size() + part.size());  // it may have grown
    text.append(reinterpret_cast<const char*>(part.data()), part.size());
  });
  const bool utf16 = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
  HARMOFL_VALIDATE(!utf16, path.string(), ": is a text in UTF-16. Save it as UTF-8.");
  if (text.starts_with(byte_order_mark)) text.erase(0, byte_order_mark.size());
  return text;
}

}  // namespace harmofl
