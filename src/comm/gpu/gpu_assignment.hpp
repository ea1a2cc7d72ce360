// SPDX-License-Identifier: Apache-2.0
/// Which GPU each rank takes: rules without any GPU in them.
#pragma once

#include <string>
#include <vector>

namespace harmofl {

/// What a rank sees of GPUs.
struct GpuView {
  std::vector<std::string> uuids;  ///< Of the GPUs that it may use, by its own index.
  int local_rank = 0;              ///< Position among the ranks of its host.
};

/// Index, in its own list, of the GPU that each rank takes; 0 where it sees none. `views` is by
/// rank.
///
/// As many ranks as possible get a GPU that no other takes, whatever each of them sees. A rank
/// begins with the GPU at its local rank and leaves it only to make room for another. Those for
/// whom there is none left share the GPU, of those that they see, which the fewest ranks take by
/// then.
std::vector<int> assign_gpus(const std::vector<GpuView>& views);

}  // namespace harmofl
