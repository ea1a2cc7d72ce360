// SPDX-License-Identifier: Apache-2.0
/// A few of many samples.
#pragma once

#include "harmofl/data/client_data.hpp"

#include <cstdint>

namespace harmofl {

/// The first `count` of `samples`, or all where there are fewer. Nothing is copied or read.
Samples first_samples(const Samples& samples, std::int64_t count);

}  // namespace harmofl
