// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/run_difference.hpp"
#include "harmofl/base/text.hpp"

#include <optional>
#include <utility>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

/// `text` as one word of a shell.
std::string shell_word(const std::string& text) {
  constexpr const char* plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=+,@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

/// "runs/a-closer" of "runs/a/".
fs::path folder_beside(const fs::path& folder) {
  fs::path plain = folder.lexically_normal();
  if (!plain.has_filename()) plain = plain.parent_path();
  plain += "-closer";
  return plain;
}

std::string value_in(const ConfigValues& config, const std::string& key) {
  const auto found = config.find(key);
  return found == config.end() ? "" : found->second;
}

/// Commands that take a run from a checkpoint, or from the start where that is empty, to the end of
/// `round`.
std::vector<std::string> rerun(const RunSide& side, std::int64_t round, const fs::path& from) {
  std::vector<std::string> commands;
  const std::string output = shell_word(folder_beside(side.folder).string());
  const std::string config = shell_word((side.folder / "config.ini").string());
  if (!from.empty()) {
    std::string copied = shell_word((side.folder / "rounds.jsonl").string());
    for (const char* name : {"metrics.jsonl", "fingerprints.jsonl", "partition.csv", "fleet.csv"}) {
      const fs::path file = side.folder / name;
      if (fs::exists(file)) copied += " " + shell_word(file.string());
    }
    commands.push_back(concat("mkdir ", output));
    commands.push_back(concat("cp ", copied, " ", output));
    commands.push_back(concat("cp ", shell_word(from.string()), " ",
                              shell_word((folder_beside(side.folder) / "checkpoint.h5").string())));
  }
  const std::string epochs = value_in(side.config, "personalize.epochs");
  commands.push_back(concat(side.ranks > 1 ? concat("mpirun -n ", side.ranks, " ") : "",
                            "harmofl train --config ", config, " --run.output ", output,
                            " --run.rounds ", round + 1,
                            " --run.save_every 1 --run.keep 2 --run.fingerprints true",
                            epochs.empty() || epochs == "0" ? "" : " --personalize.epochs 0",
                            from.empty() ? " --run.resume false" : " --run.resume true"));
  return commands;
}

/// Whether client, tensor and size of what differs first are known: `round` was hashed, and both
/// saved after it, or before it where they began it with other models.
bool is_told(const RunDifference& difference, std::int64_t round) {
  if (!difference.computed || difference.computed->round != round) return false;
  const auto& other = difference.saved.first_other;
  if (!other) return false;
  const bool at_start = difference.computed->what.part == RoundPart::start;
  return other->rounds_a == round + 1 || (at_start && other->rounds_a == round);
}

}  // namespace

std::vector<std::string> commands_to_look_closer(const RunDifference& difference) {
  const std::optional<std::int64_t> round = difference.first_round();
  if (!round) return {};
  if (is_told(difference, *round)) return {};
  AlikeSaves from = difference.saved.last_alike.value_or(AlikeSaves{});
  if (from.rounds > *round) from = {};
  std::vector<std::string> commands = rerun(difference.a, *round, from.a);
  for (std::string& command : rerun(difference.b, *round, from.b)) {
    commands.push_back(std::move(command));
  }
  commands.push_back(concat("harmofl diff ",
                            shell_word(folder_beside(difference.a.folder).string()), " ",
                            shell_word(folder_beside(difference.b.folder).string())));
  return commands;
}

}  // namespace harmofl
