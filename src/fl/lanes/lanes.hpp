// SPDX-License-Identifier: Apache-2.0
/// Lanes: what a rank trains several of its clients with at the same time, `device.lanes`.
#pragma once

#include "comm/silence.hpp"
#include "fl/lanes/crew.hpp"
#include "fl/lanes/share_out.hpp"
#include "fl/local/local_trainer.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "model/model.hpp"

#include <c10/core/Stream.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace harmofl {

/// What one client at a time is trained with. Nothing of it is shared with another lane.
struct Lane {
  Model& model;
  Algorithm& algorithm;
  LocalTrainer& trainer;
};

/// The parts of a further lane, with an owner.
struct LaneParts {
  std::unique_ptr<Model> model;
  std::unique_ptr<Algorithm> algorithm;
  std::unique_ptr<LocalTrainer> trainer;  ///< Trains `model` by `algorithm`.
};

/// Memory, in bytes, that a further lane takes for the values of its model: state, gradients, and
/// perturbation or copy of the start where there is one. What its steps compute comes on top.
std::int64_t lane_bytes(const Model& model, const LocalOptions& options);

/// The lanes of a rank: that of its own model, and others like it, made when they are first needed.
class Lanes {
 public:
  using Make = std::function<LaneParts()>;

  /// At most `count` lanes: `first`, which the rank has anyway, and those that `make` gives.
  Lanes(std::int64_t count, Lane first, Make make);

  std::int64_t count() const { return count_; }
  /// Makes do with so many from now on.
  void limit(std::int64_t count) { count_ = std::min(count_, count); }
  /// Lanes that so many items keep busy.
  std::int64_t busy(std::int64_t items) const;

  /// What the watchdog is to know of so many items: of several lanes each ends the others' silence,
  /// so that its length says nothing of an item.
  Work silence(std::int64_t items) const { return busy(items) > 1 ? Work::waiting : Work::own; }

  /// Lane `lane`; there are as many as were busy at a time until now.
  Lane at(std::int64_t lane);

  /// As harmofl::share_out, on as many lanes as there are items. What the rank has learnt of the
  /// amplitude, each lane knows; the states of their models are whatever they were. Each lane
  /// computes with as many threads as the calling one does and, on a GPU, on a stream of its own,
  /// which is idle when its result is taken in.
  void share_out(const std::vector<std::size_t>& order, TakenIn taken_in, const SharedWork& work);

 private:
  struct Further {
    LaneParts parts;
    std::optional<c10::Stream> stream;  ///< Of a GPU.
  };

  void make_until(std::int64_t lanes);

  std::int64_t count_;
  Lane first_;
  Make make_;
  std::vector<Further> further_;  ///< Lane i + 1 is element i.
  Crew crew_;
};

}  // namespace harmofl
