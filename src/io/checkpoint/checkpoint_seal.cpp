// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/checkpoint_seal.hpp"

#include "base/checksum.hpp"
#include "harmofl/base/text.hpp"
#include "io/input_file.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace harmofl::checkpoint_seal {
namespace {

constexpr std::string_view start = "harmofl-xxh3 ";
constexpr std::int64_t length = static_cast<std::int64_t>(start.size()) + 32 + 1;
constexpr std::int64_t part_bytes = std::int64_t{1} << 20;  ///< Read at once.

std::string checksum_of_first(const InputFile& file, std::int64_t size) {
  Checksum sum;
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(size, part_bytes)));
  for (std::int64_t done = 0; done < size; done += part_bytes) {
    const auto count = static_cast<std::size_t>(std::min(part_bytes, size - done));
    file.read(done, std::span(buffer).first(count));
    sum.add(std::span(buffer).first(count));
  }
  return sum.digest();
}

/// What stands where a seal would; "" when the file is too short for one.
std::string end_of(const InputFile& file) {
  if (file.size() < length) return {};
  std::string found(static_cast<std::size_t>(length), '\0');
  file.read(file.size() - length, std::as_writable_bytes(std::span(found)));
  return found;
}

}  // namespace

std::string of(const std::string& checksum) { return concat(start, checksum, "\n"); }

bool is_there(const std::filesystem::path& path) {
  const InputFile file(path);
  return end_of(file).starts_with(start);
}

State check(const std::filesystem::path& path) {
  const InputFile file(path);
  const std::string found = end_of(file);
  if (!found.starts_with(start)) return State::none;
  return found == of(checksum_of_first(file, file.size() - length)) ? State::right : State::broken;
}

}  // namespace harmofl::checkpoint_seal
