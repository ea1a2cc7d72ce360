// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/round_lines.hpp"

#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

namespace harmofl {
namespace {

constexpr const char* lines_remedy =
    "Take the line out, or give the folder of a run that nobody has changed.";

}  // namespace

JsonValue LinesOfRound::at(std::size_t i) const {
  return {lines.at(i), concat(file, ":", first_line + static_cast<std::int64_t>(i)), lines_remedy};
}

RoundLines::RoundLines(std::filesystem::path path) : path_(std::move(path)) {
  const std::string why = why_not_a_file(path_);
  HARMOFL_VALIDATE(why.empty(), printable(path_.string()), ": cannot be read (", why,
                   "). Give the folder of a run that has finished a round.");
  file_.open(path_);
  HARMOFL_VALIDATE(file_, printable(path_.string()), ": cannot be read (", std::strerror(errno),
                   "). Make it readable.");
}

std::optional<RoundLines::Line> RoundLines::read_line() {
  std::string text, damage;
  while (std::getline(file_, text)) {
    const std::string place = concat(printable(path_.string()), ":", ++number_);
    const auto note = [&](const std::string& what) {
      if (damage.empty()) {
        damage = concat(place, " ", what, ". ", lines_remedy);
        left_out_ = concat(place, " ", what, " and is left out, with all that follows");
      }
    };
    if (file_.eof()) {
      note("is not whole (the run was killed, or still writes)");
      return std::nullopt;
    }
    nlohmann::json value;
    try {
      value = parse_json(text, max_json_depth);
    } catch (const JsonError& error) {
      note(error.what());
      continue;
    }
    HARMOFL_VALIDATE(damage.empty(), damage);
    const std::int64_t round = JsonValue(value, place, lines_remedy).at("round").whole({0});
    HARMOFL_VALIDATE(round >= last_, place, ": round ", round, " comes after round ", last_, ". ",
                     lines_remedy);
    last_ = round;
    return Line{round, std::move(value), number_};
  }
  HARMOFL_VALIDATE(!file_.bad(), printable(path_.string()), ": cannot be read (",
                   std::strerror(errno), "). Make it readable.");
  return std::nullopt;
}

std::optional<LinesOfRound> RoundLines::next() {
  if (!std::exchange(begun_, true)) ahead_ = read_line();
  if (!ahead_) return std::nullopt;
  LinesOfRound found{
      .round = ahead_->round, .file = printable(path_.string()), .first_line = ahead_->number};
  while (ahead_ && ahead_->round == found.round) {
    found.lines.push_back(std::move(ahead_->value));
    ahead_ = read_line();
  }
  return found;
}

std::optional<std::int64_t> first_common_round(
    RoundLines& a, RoundLines& b,
    const std::function<bool(const LinesOfRound& a, const LinesOfRound& b)>& compare) {
  auto left = a.next(), right = b.next();
  while (left && right) {
    if (left->round < right->round) {
      left = a.next();
    } else if (right->round < left->round) {
      right = b.next();
    } else {
      if (compare(*left, *right)) return left->round;
      left = a.next();
      right = b.next();
    }
  }
  return std::nullopt;
}

}  // namespace harmofl
