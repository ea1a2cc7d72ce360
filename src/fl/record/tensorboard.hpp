// SPDX-License-Identifier: Apache-2.0
/// A run's event files for TensorBoard: `run.tensorboard`.
#pragma once

#include "fl/clients/federation.hpp"
#include "fl/local/evaluation.hpp"
#include "fl/record/picture.hpp"
#include "fl/record/round_record.hpp"
#include "harmofl/base/ids.hpp"
#include "io/checkpoint/run_folder.hpp"
#include "io/formats/event_file.hpp"

#include <string>
#include <vector>

namespace harmofl {

/// `run.tensorboard` and what goes with it.
struct TensorboardOptions {
  bool on = false;
  std::int64_t images_every = 10;  ///< Rounds between pictures of cases; 0 is none.
};

/// What a round says in numbers, by tags:
///
///     val_dice/SITE          a measure of a split, as metrics.jsonl has it
///     mean/val_dice          its mean over the sites that train, as the best round is chosen by
///     round/seconds          a number of the round, as rounds.jsonl has it; of ranks the largest
///     phase/train            seconds of a phase, mean of the ranks
///     phase_max/train        the same of the rank where it took longest
///     lost/REASON            updates that did not count
std::vector<EventScalar> round_scalars(const std::vector<Score>& scores,
                                       const Federation& federation, const RoundRecord& round);

/// The pictures as PNG, by tags: images/SITE/SPLIT_POSITION.
std::vector<EventImage> round_images(const std::vector<Picture>& pictures,
                                     const Federation& federation);

/// Writes an event file of a run folder, round by round; step is the round, from 0. Lives on the
/// root.
class Tensorboard {
 public:
  /// Begins a file, behind those that are there, whose rounds from `first` on it takes out of
  /// account, and shows `config` in it. `folder` must outlive this object.
  Tensorboard(const RunFolder& folder, const std::string& config, RoundId first);

  /// Appends a round, in one write.
  void write(RoundId round, const EventValues& values) const;

 private:
  const RunFolder& folder_;
  std::string file_;
};

}  // namespace harmofl
