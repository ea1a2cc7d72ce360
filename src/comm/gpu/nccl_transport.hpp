// SPDX-License-Identifier: Apache-2.0
/// The NCCL transport, in builds with HARMOFL_WITH_NCCL.
#pragma once

#include "comm/transport.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace harmofl {

/// Makes a transport over the current CUDA device of every rank. `leaders` (nccl_leaders) are the
/// ranks that NCCL connects; the others sum with their leader in host memory. Collective. Throws
/// RankFailure when CUDA or NCCL fails, or has not connected the leaders within `limit_s` seconds
/// (0: however long it takes).
std::unique_ptr<Transport> make_nccl_transport(const Communicator& comm,
                                               const std::vector<std::int64_t>& leaders,
                                               double limit_s);

}  // namespace harmofl
