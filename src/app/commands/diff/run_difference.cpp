// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/run_difference.hpp"

#include "base/checksum.hpp"
#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <utility>

namespace harmofl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* run_remedy = "Give the folder of a run that nobody has changed.";

/// What `run.json` of a run folder holds.
struct RunRecord {
  json value;
  std::string place;

  JsonValue read() const { return {value, place, run_remedy}; }
};

RunRecord read_record(const fs::path& folder) {
  const fs::path file = folder / "run.json";
  const std::string place = printable(file.string());
  try {
    return {parse_json(read_text_file(file), max_json_depth), place};
  } catch (const JsonError& error) {
    throw UserError(concat(place, " ", error.what(), ". ", run_remedy));
  }
}

/// Number of rounds that a run folder has finished, by its `rounds.jsonl`.
std::int64_t count_rounds(const fs::path& folder, std::vector<std::string>& notes) {
  RoundLines lines(folder / "rounds.jsonl");
  std::int64_t rounds = 0;
  while (const auto round = lines.next()) rounds = round->round + 1;
  if (!lines.left_out().empty()) notes.push_back(lines.left_out());
  return rounds;
}

RunSide read_side(const fs::path& folder, const RunRecord& record,
                  std::vector<std::string>& notes) {
  RunSide side{.folder = folder};
  const fs::path file = folder / "config.ini";
  side.config = ini_values(read_text_file(file), file.string());
  const JsonValue run = record.read();
  const JsonValue program = run.at("harmofl");
  const auto method = side.config.find("algorithm.name");
  side.title =
      concat("harmofl ", program.at("version").text(), " (", program.at("git_commit").text(), ")",
             method == side.config.end() ? "" : ", " + method->second);
  side.ranks = std::max<std::int64_t>(1, std::ssize(run.at("ranks").items()));
  side.rounds = count_rounds(folder, notes);
  return side;
}

/// Whether a run began a round with the model that it had ended the one before with.
bool went_on(const RoundFingerprints& before, const RoundFingerprints& now) {
  return before.round + 1 != now.round || before.tensors != now.tensors ||
         before.model == now.start;
}

void compare_fingerprints(RunDifference& found) {
  const fs::path name = "fingerprints.jsonl";
  const bool in_a = fs::exists(found.a.folder / name), in_b = fs::exists(found.b.folder / name);
  if (!in_a || !in_b) return;
  RoundLines a(found.a.folder / name), b(found.b.folder / name);
  std::optional<std::pair<RoundFingerprints, RoundFingerprints>> before;
  first_common_round(a, b, [&](const LinesOfRound& one, const LinesOfRound& other) {
    ++found.fingerprinted;
    std::pair now{parse_fingerprints(one.at(0)), parse_fingerprints(other.at(0))};
    if (auto what = first_difference(now.first, now.second)) {
      DifferingRound round{one.round, std::move(*what)};
      if (before && round.what.part == RoundPart::start) {
        const bool at_a = !went_on(before->first, now.first);
        const bool at_b = !went_on(before->second, now.second);
        round.started_elsewhere =
            concat(at_a ? "A" : "", at_a && at_b ? " and " : "", at_b ? "B" : "");
      }
      found.computed = std::move(round);
      return true;
    }
    before = std::move(now);
    return false;
  });
  for (const RoundLines* lines : {&a, &b}) {
    if (!lines->left_out().empty()) found.notes.push_back(lines->left_out());
  }
}

/// Looks for the first round that the files called `name` tell otherwise.
void compare_lines(RunDifference& found, const char* name,
                   std::vector<ScoreDifference> (*compare)(const LinesOfRound&,
                                                           const LinesOfRound&)) {
  RoundLines a(found.a.folder / name), b(found.b.folder / name);
  std::vector<ScoreDifference> scores;
  const auto round = first_common_round(a, b, [&](const LinesOfRound& x, const LinesOfRound& y) {
    scores = compare(x, y);
    return !scores.empty();
  });
  if (!round) return;
  if (!found.measured || *round < found.measured->round) {
    found.measured = DifferingScores{*round, std::move(scores)};
  } else if (*round == found.measured->round) {
    auto& all = found.measured->scores;
    all.insert(all.end(), scores.begin(), scores.end());
  }
}

/// Files that a run made of its inputs.
void compare_inputs(RunDifference& found) {
  for (const char* name : {"partition.csv", "fleet.csv"}) {
    const auto content = [&](const RunSide& side) {
      const fs::path file = side.folder / name;
      return fs::exists(file) ? concat("xxh3 ", file_checksum(file)) : std::string();
    };
    const std::string a = content(found.a), b = content(found.b);
    if (a != b) found.provenance.push_back({name, a, b});
  }
}

}  // namespace

std::optional<std::int64_t> RunDifference::first_round() const {
  std::optional<std::int64_t> first;
  const auto take = [&](std::int64_t round) { first = std::min(first.value_or(round), round); };
  if (computed) take(computed->round);
  if (measured) take(measured->round);
  if (!first && saved.first_other) {
    first = std::max<std::int64_t>(0, saved.first_other->rounds_a - 1);
  }
  return first;
}

RunDifference compare_runs(const fs::path& a, const fs::path& b) {
  const RunRecord left = read_record(a), right = read_record(b);
  RunDifference found;
  found.a = read_side(a, left, found.notes);
  found.b = read_side(b, right, found.notes);
  for (const RunSide* side : {&found.a, &found.b}) {
    HARMOFL_VALIDATE(side->rounds > 0, printable(side->folder.string()), ": no round is finished, ",
                     "so that there is nothing to compare. Wait for one, or give another folder.");
  }
  found.common = std::min(found.a.rounds, found.b.rounds);
  found.config = config_differences(found.a.config, found.b.config);
  found.provenance =
      provenance_differences(left.read(), right.read(), both_exact(found.a.config, found.b.config));
  compare_inputs(found);
  compare_fingerprints(found);
  compare_lines(found, "rounds.jsonl", round_differences);
  compare_lines(found, "metrics.jsonl", score_differences);
  found.saved = compare_saves(a, b);
  for (const std::string& damaged : found.saved.left_out) found.notes.push_back(damaged);
  return found;
}

}  // namespace harmofl
