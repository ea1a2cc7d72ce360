// SPDX-License-Identifier: Apache-2.0
#include "comm/named_numbers.hpp"

#include <cstdint>
#include <sstream>

namespace harmofl {
namespace {

struct Entry {
  std::int64_t position;  ///< In the rank's list.
  std::int64_t name;      ///< In the rank's names.
  double value;
};

/// A rank's list as it travels: every name once, and a row for each number.
struct Packed {
  std::string names;  ///< A line each.
  std::vector<Entry> entries;
};

Packed pack(const std::vector<NamedNumbers>& list) {
  Packed packed;
  std::map<std::string, std::int64_t> known;
  for (std::size_t i = 0; i < list.size(); ++i) {
    for (const auto& [name, value] : list[i]) {
      HARMOFL_EXPECT(name.find('\n') == std::string::npos);
      const auto [at, is_new] = known.try_emplace(name, std::ssize(known));
      if (is_new) packed.names += name + "\n";
      packed.entries.push_back({static_cast<std::int64_t>(i), at->second, value});
    }
  }
  return packed;
}

std::vector<NamedNumbers> unpack(const Packed& packed, std::int64_t length) {
  std::vector<std::string> names;
  std::istringstream lines(packed.names);
  for (std::string name; std::getline(lines, name);) names.push_back(name);
  std::vector<NamedNumbers> list(static_cast<std::size_t>(length));
  for (const auto& [position, name, value] : packed.entries) {
    list[static_cast<std::size_t>(position)][names[static_cast<std::size_t>(name)]] = value;
  }
  return list;
}

}  // namespace

std::vector<std::vector<NamedNumbers>> gather_named(const std::vector<NamedNumbers>& own,
                                                    const Communicator& comm) {
  const Packed packed = pack(own);
  const std::vector<std::int64_t> lengths = comm.all_gather_value(std::int64_t{std::ssize(own)});
  const std::vector<std::string> names = comm.gather(packed.names);
  const std::vector<std::vector<Entry>> entries = comm.gather(packed.entries);
  std::vector<std::vector<NamedNumbers>> all;
  for (std::size_t rank = 0; rank < names.size(); ++rank) {
    all.push_back(unpack({names[rank], entries[rank]}, lengths[rank]));
  }
  return all;
}

}  // namespace harmofl
