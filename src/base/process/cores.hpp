// SPDX-License-Identifier: Apache-2.0
/// The cores that this process may use.
#pragma once

#include <vector>

namespace harmofl {

/// Cores that this process may use, ascending: its affinity, which launcher and scheduler set.
std::vector<int> usable_cores();

}  // namespace harmofl
