// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/score_difference.hpp"

#include "harmofl/base/text.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace harmofl {
namespace {

using nlohmann::json;

/// Members of a line of `rounds.jsonl` that tell what was computed, and how people call them.
constexpr std::array round_members{
    std::pair("clients", "number of clients that trained"),
    std::pair("counted", "number of updates that counted"), std::pair("lost", "lost updates"),
    std::pair("simulated_seconds", "simulated seconds"), std::pair("lr", "learning rate")};

/// Members of a line of `metrics.jsonl` that are not measures.
constexpr std::array other_members{"round", "site", "split", "held_out", "seconds"};

/// Whose numbers a line has: training before val and test, then the site.
using WhoseScores = std::pair<int, std::string>;

constexpr std::array split_names{"train", "val", "test"};

struct SiteScores {
  std::string site;
  std::map<std::string, std::string> values;  ///< The texts of the numbers.
};

SiteScores read_scores(const JsonValue& line) {
  SiteScores found{line.at("site").text(), {}};
  for (const auto& [name, value] : line.members()) {
    if (std::ranges::find(other_members, name) != other_members.end()) continue;
    const double number = value.number();  // refuses what is none
    found.values[name] = json(number).dump();
  }
  return found;
}

/// The lines of a round by whose they are, in the order of the file for each split.
std::vector<std::pair<WhoseScores, SiteScores>> scores_of(const LinesOfRound& round) {
  std::vector<std::pair<WhoseScores, SiteScores>> found;
  for (std::size_t i = 0; i < round.lines.size(); ++i) {
    const JsonValue line = round.at(i);
    const std::string split = line.at("split").text();
    const auto place = std::ranges::find(split_names, split);
    if (place == split_names.end()) line.fail("expected the split train, val or test");
    const SiteScores scores = read_scores(line);
    found.push_back({{static_cast<int>(place - split_names.begin()), scores.site}, scores});
  }
  std::ranges::stable_sort(found, {}, [](const auto& item) { return item.first.first; });
  return found;
}

std::string score_name(const WhoseScores& whose, const std::string& measure) {
  return concat(split_names[static_cast<std::size_t>(whose.first)], " ", measure, " of ",
                whose.second);
}

}  // namespace

std::vector<ScoreDifference> round_differences(const LinesOfRound& a, const LinesOfRound& b) {
  std::vector<ScoreDifference> found;
  const json &left = a.lines.front(), &right = b.lines.front();
  for (const auto& [member, name] : round_members) {
    if (!a.at(0).find(member) || !b.at(0).find(member)) continue;
    if (left[member] != right[member])
      found.push_back({name, shown(left[member]), shown(right[member])});
  }
  return found;
}

std::vector<ScoreDifference> score_differences(const LinesOfRound& a, const LinesOfRound& b) {
  const auto left = scores_of(a), right = scores_of(b);
  const std::map<WhoseScores, SiteScores> others(right.begin(), right.end());
  std::set<WhoseScores> trained_in_a;
  std::vector<ScoreDifference> found;
  for (const auto& [whose, scores] : left) {
    if (whose.first == 0) trained_in_a.insert(whose);
    const auto other = others.find(whose);
    if (other == others.end()) {
      if (whose.first == 0) found.push_back({"training of " + whose.second, "yes", "no"});
      continue;
    }
    for (const auto& [measure, value] : scores.values) {
      const auto counterpart = other->second.values.find(measure);
      if (counterpart == other->second.values.end() || counterpart->second == value) continue;
      found.push_back({score_name(whose, measure), value, counterpart->second});
    }
  }
  for (const auto& item : right) {
    if (item.first.first != 0 || trained_in_a.contains(item.first)) continue;
    found.push_back({"training of " + item.first.second, "no", "yes"});
  }
  return found;
}

}  // namespace harmofl
