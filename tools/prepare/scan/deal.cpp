// SPDX-License-Identifier: Apache-2.0
#include "prepare/scan/deal.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t million = 1'000'000;
constexpr std::size_t splits_count = all_splits.size();
/// With more kinds of units single ones come near enough, and pairs would take long.
constexpr std::size_t most_kinds_for_pairs = 200;
constexpr std::size_t smallest_to_fill_all = 3;
constexpr int starts = 16;
/// More than any imbalance: of 256 classes it is at most 2 * 256 * 3 * million^2.
constexpr std::int64_t empty_split = 10'000'000'000'000'000;

std::int64_t squared_difference(std::int64_t part, std::int64_t whole, int percent) {
  if (whole == 0) return 0;
  // Numerators stay below 2^63 for 90 000 million images.
  const std::int64_t difference = (part * 100 - whole * percent) * (million / 100) / whole;
  return difference * difference;
}

/// The units that were dealt so far, counted.
class Deal {
 public:
  Deal(const std::vector<ClassCounts>& units, const std::array<int, 3>& percent)
      : units_(units), percent_(percent), whole_(units.empty() ? 0 : units.front().size(), 0) {
    for (const ClassCounts& unit : units) add_to(whole_, unit, 1);
    for (ClassCounts& counts : counts_) counts.assign(whole_.size(), 0);
  }

  void put(std::size_t unit, std::size_t split) { change(unit, split, 1); }
  void take(std::size_t unit, std::size_t split) { change(unit, split, -1); }

  /// What `imbalance` says, and a fine for each split that is empty and should not be.
  std::int64_t cost() const {
    std::int64_t sum = 0;
    for (std::size_t split = 0; split < splits_count; ++split) sum += cost_of(split);
    return sum;
  }

  std::int64_t cost_of(std::size_t split) const {
    const auto classes = static_cast<std::int64_t>(whole_.size());
    const auto images = [](const ClassCounts& counts) {
      return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
    };
    std::int64_t cost =
        classes * squared_difference(images(counts_[split]), images(whole_), percent_[split]);
    for (std::size_t k = 0; k < whole_.size(); ++k) {
      cost += squared_difference(counts_[split][k], whole_[k], percent_[split]);
    }
    const bool needed = percent_[split] > 0 && units_.size() >= smallest_to_fill_all;
    return needed && units_in_[split] == 0 ? cost + empty_split : cost;
  }

 private:
  static void add_to(ClassCounts& sum, const ClassCounts& unit, std::int64_t sign) {
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += sign * unit[k];
  }

  void change(std::size_t unit, std::size_t split, int sign) {
    add_to(counts_[split], units_[unit], sign);
    units_in_[split] += sign;
  }

  const std::vector<ClassCounts>& units_;
  std::array<int, 3> percent_;
  ClassCounts whole_;                               ///< Images of each class.
  std::array<ClassCounts, splits_count> counts_{};  ///< Images of each class by split.
  std::array<std::int64_t, splits_count> units_in_{};
};

/// One attempt: where every unit is, and what the counts are.
class Attempt {
 public:
  Attempt(const std::vector<ClassCounts>& units, const std::array<int, 3>& percent)
      : deal_(units, percent), where_(units.size(), 0) {
    for (std::size_t split = 0; split < splits_count; ++split) {
      if (percent[split] > 0) open_.push_back(split);
    }
    std::map<ClassCounts, std::size_t> kinds;
    for (const ClassCounts& unit : units) {
      kind_.push_back(kinds.emplace(unit, kinds.size()).first->second);
    }
    kinds_ = kinds.size();
  }

  /// Puts one unit after the other where it leaves the least imbalance.
  void fill(const std::vector<std::size_t>& order) {
    for (const std::size_t unit : order) {
      std::pair<std::int64_t, std::size_t> best{std::numeric_limits<std::int64_t>::max(), 0};
      for (const std::size_t split : open_) {
        deal_.put(unit, split);
        best = std::min(best, {deal_.cost(), split});
        deal_.take(unit, split);
      }
      where_[unit] = best.second;
      deal_.put(unit, best.second);
    }
  }

  /// Moves single units, or has pairs change places, until neither helps.
  void improve() {
    while (move_one() || (kinds_ <= most_kinds_for_pairs && swap_two())) {
    }
  }

  std::int64_t cost() const { return deal_.cost(); }
  const std::vector<std::size_t>& where() const { return where_; }

 private:
  /// Does `change`, which turns the counts into others, unless it makes them no better.
  template <class Change, class Undo>
  bool keep_if_better(const Change& change, const Undo& undo) {
    const std::int64_t before = deal_.cost();
    change();
    if (deal_.cost() < before) return true;
    undo();
    return false;
  }

  void move(std::size_t unit, std::size_t to) {
    deal_.take(unit, where_[unit]);
    where_[unit] = to;
    deal_.put(unit, to);
  }

  bool move_one() {
    bool moved = false;
    for (const std::size_t unit : one_of_each_kind_and_split()) {
      for (const std::size_t to : open_) {
        const std::size_t from = where_[unit];
        if (to == from) continue;
        moved |= keep_if_better([&] { move(unit, to); }, [&] { move(unit, from); });
      }
    }
    return moved;
  }

  bool swap_two() {
    const std::vector<std::size_t> units = one_of_each_kind_and_split();
    for (std::size_t i = 0; i < units.size(); ++i) {
      for (std::size_t j = i + 1; j < units.size(); ++j) {
        const std::size_t a = units[i], b = units[j];
        if (where_[a] == where_[b] || kind_[a] == kind_[b]) continue;
        const std::size_t of_a = where_[a], of_b = where_[b];
        const auto swap = [&](std::size_t to_a, std::size_t to_b) {
          move(a, to_a);
          move(b, to_b);
        };
        if (keep_if_better([&] { swap(of_b, of_a); }, [&] { swap(of_a, of_b); })) return true;
      }
    }
    return false;
  }

  /// Units of equal counts in one split are as good as each other.
  std::vector<std::size_t> one_of_each_kind_and_split() const {
    std::vector<bool> seen(kinds_ * splits_count, false);
    std::vector<std::size_t> found;
    for (std::size_t unit = 0; unit < where_.size(); ++unit) {
      const std::size_t key = kind_[unit] * splits_count + where_[unit];
      if (!seen[key]) found.push_back(unit);
      seen[key] = true;
    }
    return found;
  }

  Deal deal_;
  std::vector<std::size_t> open_;  ///< Splits that something is asked for.
  std::vector<std::size_t> kind_;  ///< Of each unit; units of a kind have the same counts.
  std::size_t kinds_ = 0;
  std::vector<std::size_t> where_;  ///< Split of each unit.
};

/// The order of attempt `number`.
std::vector<std::size_t> order_of(int number, const std::vector<ClassCounts>& units,
                                  RngStream& random) {
  std::vector<std::size_t> order;
  for (const std::int64_t unit : random.permutation(std::ssize(units))) {
    order.push_back(static_cast<std::size_t>(unit));
  }
  if (number > 0) return order;
  const auto size = [&](std::size_t unit) {
    return std::accumulate(units[unit].begin(), units[unit].end(), std::int64_t{0});
  };
  std::ranges::stable_sort(order, [&](auto a, auto b) { return size(a) > size(b); });
  return order;
}

}  // namespace

std::int64_t imbalance(const std::vector<ClassCounts>& units, const std::vector<Split>& splits,
                       const std::array<int, 3>& percent) {
  HARMOFL_EXPECT(units.size() == splits.size());
  Deal deal(units, percent);
  for (std::size_t i = 0; i < units.size(); ++i) deal.put(i, static_cast<std::size_t>(splits[i]));
  return deal.cost();
}

std::vector<Split> deal_whole(const std::vector<ClassCounts>& units,
                              const std::array<int, 3>& percent, RngStream& random) {
  std::vector<std::size_t> best(units.size(), 0);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (int number = 0; number < starts; ++number) {
    Attempt attempt(units, percent);
    attempt.fill(order_of(number, units, random));
    attempt.improve();
    if (attempt.cost() >= least) continue;
    least = attempt.cost();
    best = attempt.where();
  }
  std::vector<Split> splits;
  for (const std::size_t split : best) splits.push_back(all_splits[split]);
  return splits;
}

}  // namespace harmofl::prepare
