// SPDX-License-Identifier: Apache-2.0
#include "comm/gpu/gpu_assignment.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

namespace harmofl {
namespace {

using Uuids = std::vector<std::string>;

struct AssignmentCase {
  std::string name;
  std::vector<GpuView> views;
  Uuids taken;  ///< UUID that each rank is to take.
};

/// Ranks of one host that all see the same.
std::vector<GpuView> all_see(const Uuids& uuids, int ranks) {
  std::vector<GpuView> views;
  for (int rank = 0; rank < ranks; ++rank) views.push_back({uuids, rank});
  return views;
}

Uuids uuids_taken(const std::vector<GpuView>& views) {
  const std::vector<int> indices = assign_gpus(views);
  Uuids taken;
  for (std::size_t rank = 0; rank < views.size(); ++rank) {
    const auto& uuids = views[rank].uuids;
    taken.push_back(uuids.empty() ? "" : uuids.at(static_cast<std::size_t>(indices[rank])));
  }
  return taken;
}

TEST(GpuAssignment, gives_each_rank_its_own_gpu_where_that_is_possible) {
  const std::vector<AssignmentCase> cases{
      {"all see all", all_see({"a", "b", "c", "d"}, 4), {"a", "b", "c", "d"}},
      {"fewer ranks than GPUs", all_see({"a", "b", "c", "d"}, 2), {"a", "b"}},
      {"one each", {{{"c"}, 0}, {{"a"}, 1}, {{"b"}, 2}}, {"c", "a", "b"}},
      {"one GPU at the place of both", {{{"a", "b"}, 0}, {{"b", "a"}, 1}}, {"a", "b"}},
      {"overlapping sets", {{{"a", "b"}, 0}, {{"a"}, 1}}, {"b", "a"}},
      {"a chain that moves on by one",
       {{{"a", "b"}, 0}, {{"x", "b", "c"}, 1}, {{"a"}, 2}, {{"x"}, 3}},
       {"b", "c", "a", "x"}},
      {"slices of one GPU, one seen by each", {{{"MIG-1"}, 0}, {{"MIG-2"}, 1}}, {"MIG-1", "MIG-2"}},
      {"two hosts",
       {{{"a", "b"}, 0}, {{"a", "b"}, 1}, {{"c", "d"}, 0}, {{"c", "d"}, 1}},
       {"a", "b", "c", "d"}},
      {"more ranks than GPUs, in turn", all_see({"a", "b"}, 5), {"a", "b", "a", "b", "a"}},
      {"one GPU for all", all_see({"a"}, 3), {"a", "a", "a"}},
      {"who sees one GPU keeps it from those who see two",
       {{{"a"}, 0}, {{"a"}, 1}, {{"a", "b"}, 2}},
       {"a", "a", "b"}},
      {"shared where the fewest are",
       {{{"a"}, 0}, {{"a"}, 1}, {{"b"}, 2}, {{"a", "b"}, 0}},
       {"a", "a", "b", "b"}},
      {"a rank without any", {{{}, 0}, {{"a"}, 1}}, {"", "a"}},
  };
  for (const AssignmentCase& one : cases) EXPECT_EQ(uuids_taken(one.views), one.taken) << one.name;
}

/// The largest number of ranks, from `rank` on, that can have a GPU each: every way is tried.
int most_with_own(const std::vector<GpuView>& views, std::size_t rank, std::set<std::string> free) {
  if (rank == views.size()) return 0;
  int most = most_with_own(views, rank + 1, free);
  for (const std::string& uuid : views[rank].uuids) {
    if (!free.contains(uuid)) continue;
    std::set<std::string> rest = free;
    rest.erase(uuid);
    most = std::max(most, 1 + most_with_own(views, rank + 1, rest));
  }
  return most;
}

/// GPUs that are used at all: with as many ranks of its own as possible, none stays idle
/// needlessly.
int used(const std::vector<GpuView>& views) {
  std::set<std::string> found;
  for (const std::string& uuid : uuids_taken(views)) {
    if (!uuid.empty()) found.insert(uuid);
  }
  return static_cast<int>(found.size());
}

TEST(GpuAssignment, leaves_no_gpu_idle_that_any_way_would_use) {
  std::mt19937 random(5);
  for (int draw = 0; draw < 300; ++draw) {
    std::vector<GpuView> views;
    const int ranks = 1 + static_cast<int>(random() % 6);
    for (int rank = 0; rank < ranks; ++rank) {
      GpuView view{{}, rank};
      for (const std::string uuid : {"a", "b", "c", "d", "e"}) {
        if (random() % 5 < 2) view.uuids.push_back(uuid);
      }
      std::ranges::shuffle(view.uuids, random);
      views.push_back(view);
    }
    EXPECT_EQ(used(views), most_with_own(views, 0, {"a", "b", "c", "d", "e"})) << "draw " << draw;
  }
}

}  // namespace
}  // namespace harmofl
