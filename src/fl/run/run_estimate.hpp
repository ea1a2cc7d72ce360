// SPDX-License-Identifier: Apache-2.0
/// What a run will ask of its ranks, before it starts: `--dry-run`.
#pragma once

#include <cstdint>
#include <vector>

namespace harmofl {

/// What was measured, in three turns.
struct Turns {
  double least_s = 0.0;
  double median_s = 0.0;
  double most_s = 0.0;
};

/// One rank in a round. What is timed is 0 where nothing was.
struct RankEstimate {
  std::int64_t clients = 0;         ///< Clients that train on it.
  std::int64_t lanes = 1;           ///< Clients that train at the same time.
  std::int64_t evaluate_lanes = 1;  ///< Sites or clients that are evaluated at the same time.
  std::int64_t images = 0;          ///< Images that it trains on, in all local epochs.
  std::int64_t longest_images = 0;  ///< Images of the client that has most of them.
  std::int64_t steps = 0;           ///< Steps that this takes.
  std::int64_t evaluated = 0;       ///< Images that it evaluates, or makes running statistics of.
  std::int64_t sample_bytes = 0;    ///< Images and targets in memory.
  std::int64_t stream_bytes = 0;    ///< Batches that are read ahead.
  std::int64_t lane_bytes = 0;      ///< Model of a further lane, where there are any.
  /// Memory until now: the program, what was loaded, the model, what was timed.
  std::int64_t peak_bytes = 0;
  std::int64_t to_come_bytes = 0;  ///< What comes on top: sums, client states.

  Turns step{};  ///< A step of `step_images`, in all lanes at the same time.
  std::int64_t step_images = 0;
  double evaluate_image_s = 0.0;  ///< An image, in all lanes at the same time.
  double aggregate_s = 0.0;

  std::int64_t memory_bytes() const { return peak_bytes + stream_bytes + to_come_bytes; }
  /// All its training of the round: as long as its share of the lanes takes, and no less than the
  /// longest client.
  double train_s() const;
  double evaluate_s() const;  ///< All its evaluation.
};

/// Of all ranks. Ranks wait for the slowest, at the aggregation and after the evaluation.
struct RunEstimate {
  std::vector<RankEstimate> ranks;
  std::int64_t clients = 0;        ///< That train in a round.
  std::int64_t message_bytes = 0;  ///< A client's message, each way.
  std::int64_t rounds = 0;         ///< That are left.
  std::int64_t evaluations = 0;    ///< Rounds of these with an evaluation.
  bool timed = false;

  std::int64_t images() const;
  std::int64_t steps() const;
  std::int64_t evaluated() const;
  const RankEstimate& busiest() const;  ///< The rank with the most images to train on.
  std::int64_t memory_bytes() const;    ///< Of the largest rank.
  double train_s() const;               ///< Of the slowest rank, and so on.
  double evaluate_s() const;
  double aggregate_s() const;
  double round_s() const { return train_s() + aggregate_s() + evaluate_s(); }  ///< With evaluation.
  double run_s() const;
};

/// The median of an odd number of turns, with the extremes.
Turns turns_of(std::vector<double> seconds);

}  // namespace harmofl
