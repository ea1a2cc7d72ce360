// SPDX-License-Identifier: Apache-2.0
/// What a rank puts into the memory of its GPU beside samples.
#pragma once

#include "fl/clients/federation.hpp"
#include "fl/simulation.hpp"

#include <torch/types.h>

#include <cstdint>

namespace harmofl {

struct GpuNeeds {
  std::int64_t step_bytes = 0;  ///< The model and a step on a full batch. 0 on the CPU.
  std::int64_t kept_bytes = 0;  ///< Copies of the model, sums, what is kept for clients.
};

/// Tries it on `device`: makes the run's model there, takes the first step of a client on zeros,
/// and forgets both. What is kept is counted, for clients in equal parts on `ranks`.
GpuNeeds gpu_needs(const SimulationOptions& options, const Federation& federation,
                   std::int64_t ranks, torch::Device device);

/// Bytes of the global model, of the message and its sum, for a state of so many values.
std::int64_t sum_bytes(std::int64_t values, Reduction reduction);

}  // namespace harmofl
