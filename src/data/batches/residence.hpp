// SPDX-License-Identifier: Apache-2.0
/// Where a client's samples stay: in the GPU's memory as long as the budget has room for them.
#pragma once

#include "data/batches/sample_budget.hpp"
#include "harmofl/data/client_data.hpp"

#include <torch/types.h>

#include <cstdint>

namespace harmofl {

/// Bytes of a client's images and targets that are in memory, all splits together.
std::int64_t sample_bytes(const ClientData& client);

/// Moves the samples of `client` from host memory to `device` if `budget` has room for all of them,
/// which they then take up as long as `client` or a copy of it lives. Otherwise, without a budget,
/// and where they are streamed, they stay, and their batches go to the device one at a time. The
/// log says of the first client that stays, and why. On the CPU nothing is done.
void settle(ClientData& client, torch::Device device, SampleBudget* budget = nullptr);

}  // namespace harmofl
