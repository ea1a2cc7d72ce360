// SPDX-License-Identifier: Apache-2.0
/// The lines of a run folder's `.jsonl` files, round by round.
#pragma once

#include "io/formats/json.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// The lines of one round.
struct LinesOfRound {
  std::int64_t round = 0;
  std::vector<nlohmann::json> lines = {};
  std::string file = {};        ///< As errors name it.
  std::int64_t first_line = 1;  ///< Number of the first of them in the file.

  /// Line `i` with what errors are to say.
  JsonValue at(std::size_t i) const;
};

/// Reads a file with an object of JSON a line, each with a `round`, ascending. One round at a time
/// is in memory.
class RoundLines {
 public:
  /// Throws UserError where there is no such file.
  explicit RoundLines(std::filesystem::path path);

  /// The next round; nothing at the end. What follows the last whole line is left out, as a run
  /// leaves it that was killed or still writes. Throws UserError, naming file and line, for a line
  /// that no run wrote before one that is whole, and for rounds that do not ascend.
  std::optional<LinesOfRound> next();

  /// What was left out at the end, for people; "" where nothing was. After the last `next`.
  const std::string& left_out() const { return left_out_; }

 private:
  struct Line {
    std::int64_t round;
    nlohmann::json value;
    std::int64_t number;
  };
  std::optional<Line> read_line();

  std::filesystem::path path_;
  std::ifstream file_;
  std::int64_t number_ = 0;    ///< Of the line that was read last.
  std::int64_t last_ = -1;     ///< Its round.
  std::optional<Line> ahead_;  ///< The first line of the next round.
  bool begun_ = false;
  std::string left_out_;
};

/// Calls `compare` with the lines of every round that both files have, in order, until it returns
/// true. Returns the round at which it did; nothing at the end of either file.
std::optional<std::int64_t> first_common_round(
    RoundLines& a, RoundLines& b,
    const std::function<bool(const LinesOfRound& a, const LinesOfRound& b)>& compare);

}  // namespace harmofl
