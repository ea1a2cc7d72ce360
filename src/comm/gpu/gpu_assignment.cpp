// SPDX-License-Identifier: Apache-2.0
#include "comm/gpu/gpu_assignment.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace harmofl {
namespace {

/// A matching of ranks and GPUs, made larger by a path at a time (Kuhn's algorithm).
class GpuMatching {
 public:
  explicit GpuMatching(const std::vector<GpuView>& views) : views_(views) {}

  /// Gives the rank the GPU at its local rank, if nobody has it.
  void place_at_home(std::size_t rank) {
    const auto& [uuids, local_rank] = views_[rank];
    const auto home = static_cast<std::size_t>(local_rank);
    if (home < uuids.size()) owner_.emplace(uuids[home], rank);
  }

  /// Gives the rank a GPU of its own, if others can make room for it.
  void place(std::size_t rank) {
    std::set<std::string> tried;
    if (!index_of(rank)) place(rank, tried);
  }

  /// Index of the rank's own GPU in its list.
  std::optional<int> index_of(std::size_t rank) const {
    const auto& uuids = views_[rank].uuids;
    for (std::size_t index = 0; index < uuids.size(); ++index) {
      const auto found = owner_.find(uuids[index]);
      if (found != owner_.end() && found->second == rank) return static_cast<int>(index);
    }
    return std::nullopt;
  }

 private:
  bool place(std::size_t rank, std::set<std::string>& tried) {
    for (const std::string& uuid : views_[rank].uuids) {
      if (!tried.insert(uuid).second) continue;
      const auto found = owner_.find(uuid);
      if (found != owner_.end() && !place(found->second, tried)) continue;
      owner_[uuid] = rank;
      return true;
    }
    return false;
  }

  const std::vector<GpuView>& views_;
  std::map<std::string, std::size_t> owner_;
};

using Users = std::map<std::string, int>;

/// Index of the GPU with the fewest users of those that a rank sees; of equals the first from its
/// local rank on. 0 where it sees none.
int least_used(const GpuView& view, const Users& users) {
  const auto count = static_cast<int>(view.uuids.size());
  const auto users_of = [&](int index) {
    const auto found = users.find(view.uuids[static_cast<std::size_t>(index)]);
    return found == users.end() ? 0 : found->second;
  };
  int best = count == 0 ? 0 : view.local_rank % count;
  for (int i = 1; i < count; ++i) {
    const int index = (view.local_rank + i) % count;
    if (users_of(index) < users_of(best)) best = index;
  }
  return best;
}

}  // namespace

std::vector<int> assign_gpus(const std::vector<GpuView>& views) {
  GpuMatching matching(views);
  for (std::size_t rank = 0; rank < views.size(); ++rank) matching.place_at_home(rank);
  for (std::size_t rank = 0; rank < views.size(); ++rank) matching.place(rank);

  std::vector<int> taken(views.size());
  Users users;
  const auto take = [&](std::size_t rank, int index) {
    taken[rank] = index;
    const auto& uuids = views[rank].uuids;
    if (!uuids.empty()) ++users[uuids[static_cast<std::size_t>(index)]];
  };
  for (std::size_t rank = 0; rank < views.size(); ++rank) {
    if (const auto own = matching.index_of(rank)) take(rank, *own);
  }
  for (std::size_t rank = 0; rank < views.size(); ++rank) {
    if (!matching.index_of(rank)) take(rank, least_used(views[rank], users));
  }
  return taken;
}

}  // namespace harmofl
