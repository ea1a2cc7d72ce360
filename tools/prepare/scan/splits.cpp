// SPDX-License-Identifier: Apache-2.0
#include "prepare/scan/splits.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"
#include "prepare/scan/deal.hpp"

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

/// Numbers the labels of `samples` from 0, in alphabetical order.
std::map<std::string, std::size_t> number_labels(const std::vector<Sample>& samples) {
  std::map<std::string, std::size_t> numbers;
  for (const Sample& sample : samples) numbers.emplace(sample.label, 0);
  std::size_t next = 0;
  for (auto& [label, number] : numbers) number = next++;
  return numbers;
}

/// Images by class of each of the `open` units, in their order.
std::vector<ClassCounts> count_classes(const std::vector<Sample>& samples,
                                       const std::vector<Unit>& open) {
  const std::map<std::string, std::size_t> labels = number_labels(samples);
  std::map<Unit, std::size_t> place;
  for (const Unit& unit : open) place.emplace(unit, place.size());
  std::vector<ClassCounts> counts(open.size(), ClassCounts(labels.size(), 0));
  for (const Sample& sample : samples) {
    const auto found = place.find(unit_of(sample));
    if (found != place.end()) ++counts[found->second][labels.at(sample.label)];
  }
  return counts;
}

/// Deals `count` units that are alike.
std::vector<Split> deal_alike(std::int64_t count, const std::array<int, 3>& percent,
                              RngStream& random) {
  const std::vector<std::int64_t> order = random.permutation(count);
  const auto counts = split_counts(count, percent);
  std::vector<Split> splits(static_cast<std::size_t>(count), Split::train);
  std::size_t next = 0;
  for (const Split split : all_splits) {
    for (std::int64_t i = 0; i < counts[static_cast<std::size_t>(split)]; ++i) {
      splits[static_cast<std::size_t>(order[next++])] = split;
    }
  }
  return splits;
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
  std::vector<Unit> open;
  for (const auto& [unit, split] : units) {
    if (!split) open.push_back(unit);
  }
  RngStream stream(seed, RoundId{0}, site, RngPurpose::split);
  const bool named =
      std::ranges::any_of(open, [](const Unit& unit) { return !unit.first.empty(); });
  const std::vector<Split> dealt = named ? deal_whole(count_classes(samples, open), percent, stream)
                                         : deal_alike(std::ssize(open), percent, stream);
  for (std::size_t i = 0; i < open.size(); ++i) units[open[i]] = dealt[i];
  std::vector<Split> chosen;
  for (const Sample& sample : samples) chosen.push_back(units.at(unit_of(sample)).value());
  return chosen;
}

}  // namespace harmofl::prepare
