// SPDX-License-Identifier: Apache-2.0
#include "prepare/splits.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t smallest_to_fill_all = 3;

/// What is never divided: a patient, or an image that belongs to nobody.
using Unit = std::pair<std::string, std::string>;  // patient, id

Unit unit_of(const Sample& sample) {
  return sample.patient.empty() ? Unit{"", sample.id} : Unit{sample.patient, ""};
}

std::map<Unit, std::optional<Split>> collect_units(const std::vector<Sample>& samples) {
  std::map<Unit, std::optional<Split>> units;
  for (const Sample& sample : samples) {
    std::optional<Split>& chosen = units[unit_of(sample)];
    HARMOFL_VALIDATE(!chosen || !sample.split || *chosen == *sample.split, "patient '",
                     sample.patient, "' is in ", to_string(*chosen), " and, with image '",
                     sample.id, "', in ", to_string(*sample.split),
                     ". Put all images of a patient into one split.");
    if (sample.split) chosen = sample.split;
  }
  return units;
}

}  // namespace

std::array<std::int64_t, 3> split_counts(std::int64_t count, const std::array<int, 3>& percent) {
  const auto share = [&](std::size_t split) { return (2 * count * percent[split] + 100) / 200; };
  std::array<std::int64_t, 3> counts{0, share(1), share(2)};
  counts[2] = std::min(counts[2], count);
  counts[1] = std::min(counts[1], count - counts[2]);
  counts[0] = count - counts[1] - counts[2];
  if (count < smallest_to_fill_all) return counts;
  for (std::size_t split = 0; split < counts.size(); ++split) {
    if (counts[split] > 0 || percent[split] == 0) continue;
    --*std::max_element(counts.begin(), counts.end());
    ++counts[split];
  }
  return counts;
}

std::vector<Split> draw_splits(const std::vector<Sample>& samples,
                               const std::array<int, 3>& percent, std::uint64_t seed,
                               ClientId site) {
  std::map<Unit, std::optional<Split>> units = collect_units(samples);
  std::vector<std::optional<Split>*> open;
  for (auto& [unit, split] : units) {
    if (!split) open.push_back(&split);
  }
  const auto count = static_cast<std::int64_t>(open.size());
  RngStream stream(seed, RoundId{0}, site, RngPurpose::split);
  const std::vector<std::int64_t> order = stream.permutation(count);
  const auto counts = split_counts(count, percent);
  std::size_t next = 0;
  for (const Split split : all_splits) {
    for (std::int64_t i = 0; i < counts[static_cast<std::size_t>(split)]; ++i) {
      *open[static_cast<std::size_t>(order[next++])] = split;
    }
  }
  std::vector<Split> chosen;
  for (const Sample& sample : samples) chosen.push_back(units.at(unit_of(sample)).value());
  return chosen;
}

}  // namespace harmofl::prepare
