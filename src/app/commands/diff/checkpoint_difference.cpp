// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/checkpoint_difference.hpp"

#include "fl/run/run_facts.hpp"
#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint_files.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

bool holds_a_run(const CheckpointReader& checkpoint) {
  return parse_facts(checkpoint.info(), checkpoint.path()).progress.has_value();
}

std::vector<std::string> groups_of(const CheckpointReader& a, const CheckpointReader& b) {
  std::vector<std::string> sites = a.groups(checkpoint_groups::clients);
  for (const std::string& site : b.groups(checkpoint_groups::clients)) {
    if (std::ranges::find(sites, site) == sites.end()) sites.push_back(site);
  }
  std::vector<std::string> groups{checkpoint_groups::server};
  for (const std::string& site : sites) groups.push_back(checkpoint_groups::of_client(site));
  return groups;
}

std::string script_checksum(const CheckpointReader& checkpoint) {
  const std::optional<StoredScript> script = checkpoint.script();
  return script ? script->source_checksum : "";
}

/// The intact checkpoints of a folder by rounds done: of each round one that a run can go on from,
/// else a model.
struct Saves {
  std::map<std::int64_t, fs::path> files = {};
  std::vector<std::string> left_out = {};
};

// Each is verified and closed again: there may be more than a process may have open.
Saves find_saves(const fs::path& folder) {
  Saves saves;
  std::vector<fs::path> files = CheckpointFiles(folder).all();
  for (const char* name : {"best.h5", "initial.h5"}) {
    if (fs::exists(folder / name)) files.push_back(folder / name);
  }
  for (const fs::path& file : files) {
    try {
      const CheckpointReader checkpoint(file);
      saves.files.emplace(checkpoint.info().rounds_done, file);  // models come last
    } catch (const UserError& error) {
      saves.left_out.emplace_back(error.what());
    }
  }
  return saves;
}

}  // namespace

CheckpointDifference difference_of(const CheckpointReader& a, const CheckpointReader& b) {
  CheckpointDifference found{.a = a.path(),
                             .b = b.path(),
                             .rounds_a = a.info().rounds_done,
                             .rounds_b = b.info().rounds_done,
                             .whole = holds_a_run(a) && holds_a_run(b)};
  const auto fact = [&](const char* name, const std::string& left, const std::string& right) {
    if (left != right) found.facts.push_back({name, left, right});
  };
  fact("method", a.info().algorithm, b.info().algorithm);
  fact("network of model.script", script_checksum(a), script_checksum(b));
  std::vector<std::string> groups{checkpoint_groups::model};
  if (found.whole) {
    for (const std::string& group : groups_of(a, b)) groups.push_back(group);
  }
  for (const std::string& group : groups) {
    GroupDifference difference = difference_of(group, a.read(group), b.read(group));
    found.tensors += difference.tensors;
    if (!difference.empty()) found.groups.push_back(std::move(difference));
  }
  return found;
}

SavedRounds compare_saves(const fs::path& a, const fs::path& b) {
  const Saves left = find_saves(a), right = find_saves(b);
  SavedRounds found;
  found.left_out = left.left_out;
  found.left_out.insert(found.left_out.end(), right.left_out.begin(), right.left_out.end());
  for (const auto& [rounds, file] : left.files) {
    const auto other = right.files.find(rounds);
    if (other == right.files.end()) continue;
    CheckpointDifference difference =
        difference_of(CheckpointReader::verified_elsewhere(file),
                      CheckpointReader::verified_elsewhere(other->second));
    ++found.pairs;
    if (!difference.alike()) {
      found.first_other = std::move(difference);
      return found;
    }
    if (difference.whole) found.last_alike = AlikeSaves{rounds, file, other->second};
  }
  return found;
}

}  // namespace harmofl
