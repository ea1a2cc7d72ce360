// SPDX-License-Identifier: Apache-2.0
/// What becomes of everyone in a round, decided before it begins (docs/guides/heterogeneity.md).
#pragma once

#include "fl/fleet/cohort.hpp"
#include "fl/fleet/fleet.hpp"
#include "harmofl/base/ids.hpp"

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace harmofl {

/// Why a client's update does not count.
enum class DropReason {
  unavailable,     ///< Wanted, but not there when the round began.
  dropped_before,  ///< Lost after the download: trained nothing.
  straggler,       ///< Not done by the deadline: aborted, trained nothing that stays.
  dropped_after,   ///< Trained, and its state moved on, but the update was lost.
  surplus,         ///< Others were enough: aborted, trained nothing that stays.
};

/// The name in files: "straggler".
std::string_view to_string(DropReason reason);

struct RoundPlan {
  std::vector<ClientId> counted;  ///< Train, and their updates count. Ascending.
  std::vector<ClientId> wasted;   ///< Train, but their updates are lost. Ascending.
  /// Everyone who was invited, or wanted by name and unavailable, and whose update does not count.
  /// Ascending; holds the wasted ones too.
  std::vector<std::pair<ClientId, DropReason>> lost;
  double simulated_s = 0.0;  ///< What the round would have taken on the devices.
};

/// What a round asks of its clients.
struct RoundWork {
  std::vector<std::int64_t> samples;  ///< Work of each client: samples x local epochs.
  std::int64_t download_bytes = 0;    ///< Size of the message to each client.
  std::int64_t upload_bytes = 0;      ///< Size of the message from each client.
};

/// Seconds from the start of the round until the report of a client with that device comes in:
/// latency + download + training + latency + upload.
double report_time_s(const DeviceProfile& device, const FleetOptions& options,
                     const RoundWork& work, ClientId client);

/// Plans a round: a pure function of its arguments, the same on every rank. The weights of a
/// weighted cohort are `work.samples`.
RoundPlan plan_round(const CohortOptions& cohort, const Fleet& fleet, const RoundWork& work,
                     std::uint64_t seed, RoundId round);

}  // namespace harmofl
