// SPDX-License-Identifier: Apache-2.0
/// Where a client's samples stay: in the GPU's memory as long as it has room for them.
#pragma once

#include "harmofl/data/client_data.hpp"

#include <torch/types.h>

#include <cstdint>

namespace harmofl {

/// Bytes of a client's images and targets, all splits together.
std::int64_t sample_bytes(const ClientData& client);

/// Whether so many bytes of samples go to a GPU with so many free ones: at least as many must be
/// left for the model, what it computes, and the samples of other clients and ranks.
bool fits(std::int64_t sample_bytes, std::int64_t free_bytes);

/// Moves the samples of `client` from host memory to `device` if they fit there. Otherwise they
/// stay, and their batches go to the device one at a time. The log says either, for the first
/// client that it is true of.
void settle(ClientData& client, torch::Device device);

}  // namespace harmofl
