// SPDX-License-Identifier: Apache-2.0
/// Values that a configuration gives for nothing.
#pragma once

#include "app/config/config.hpp"

#include <string>
#include <vector>

namespace harmofl {

/// The keys of a resolved configuration that are not at their defaults, but that another key leaves
/// without effect: a sentence each, with the remedy.
std::vector<std::string> without_effect(const Config& config);

}  // namespace harmofl
