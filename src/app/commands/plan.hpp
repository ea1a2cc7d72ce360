// SPDX-License-Identifier: Apache-2.0
/// What `harmofl train --dry-run` says of a run.
#pragma once

#include "fl/run/run_estimate.hpp"

#include <string>

namespace harmofl {

/// The estimate for people: images, steps, bytes and memory, and the time where that was measured.
std::string plan_text(const RunEstimate& estimate);

}  // namespace harmofl
