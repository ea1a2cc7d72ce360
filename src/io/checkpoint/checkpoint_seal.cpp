// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/checkpoint_seal.hpp"

#include "base/checksum.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <span>
#include <vector>

namespace harmofl::checkpoint_seal {
namespace {

constexpr std::string_view start = "harmofl-xxh3 ";
constexpr std::int64_t length = static_cast<std::int64_t>(start.size()) + 32 + 1;

std::string checksum_of_first(std::ifstream& file, std::int64_t size) {
  Checksum sum;
  std::vector<char> buffer(std::size_t{1} << 20);
  file.seekg(0);
  for (std::int64_t done = 0; done < size && file; done += file.gcount()) {
    file.read(buffer.data(),
              std::min<std::int64_t>(static_cast<std::int64_t>(buffer.size()), size - done));
    sum.add(std::as_bytes(std::span(buffer.data(), static_cast<std::size_t>(file.gcount()))));
  }
  return sum.digest();
}

}  // namespace

std::string of(const std::string& checksum) { return concat(start, checksum, "\n"); }

State check(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  HARMOFL_VALIDATE(file, path.string(), ": cannot be opened for reading. Check that it exists ",
                   "and that you may read it.");
  const std::int64_t content = static_cast<std::int64_t>(file.tellg()) - length;
  if (content < 0) return State::none;
  std::string found(static_cast<std::size_t>(length), '\0');
  file.seekg(content);
  file.read(found.data(), length);
  if (!found.starts_with(start)) return State::none;
  return found == of(checksum_of_first(file, content)) ? State::right : State::broken;
}

}  // namespace harmofl::checkpoint_seal
