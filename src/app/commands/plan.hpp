// SPDX-License-Identifier: Apache-2.0
/// What `harmofl train --dry-run` says of a run.
#pragma once

#include "fl/run/run_estimate.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

/// The estimate for people: images, steps, bytes and memory, and the time where that was measured.
std::string plan_text(const RunEstimate& estimate);

/// The same for programs, a line of JSON: images, steps, bytes and memory, the client steps of each
/// round, and the measure that decides which round is the best (docs/guides/running.md).
std::string plan_json(const RunEstimate& estimate, const std::vector<std::int64_t>& client_steps,
                      const std::string& measure);

}  // namespace harmofl
