// SPDX-License-Identifier: Apache-2.0
/// Which batches are recorded and which are replayed: rules without a GPU in them.
#pragma once

#include <cstdint>
#include <map>

namespace harmofl {

/// What is done with a batch.
enum class Turn {
  as_it_is,  ///< Worked on where it lies; nothing of its size is recorded.
  warm_up,   ///< Worked on as later recorded: libraries allocate, and try their algorithms.
  record,    ///< Recorded, and replayed at once.
  replay,
};

/// Counts batches by their size, which a graph is for. The last batch of a pass is smaller, and its
/// size is that of the client: so sizes are many, and graphs are made for the first few alone.
class RecordingPlan {
 public:
  static constexpr std::int64_t warm_ups = 3;   ///< As libtorch does it.
  static constexpr std::size_t most_sizes = 8;  ///< Graphs at most.

  /// Graphs for batches of `full` images, whenever they come, and of other sizes, first come.
  explicit RecordingPlan(std::int64_t full) { seen_[full] = 0; }

  /// What to do with the next batch, of `images`.
  Turn next(std::int64_t images);

 private:
  std::map<std::int64_t, std::int64_t> seen_;  ///< Batches so far, of the sizes with a graph.
};

}  // namespace harmofl
