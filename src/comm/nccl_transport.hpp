// SPDX-License-Identifier: Apache-2.0
/// The NCCL transport, in builds with HARMOFL_WITH_NCCL.
#pragma once

#include "comm/transport.hpp"

#include <memory>

namespace harmofl {

/// Makes a transport over the current CUDA device of every rank. Collective. Expects what
/// `choose_transport` checks. Throws RankFailure when CUDA or NCCL fails.
std::unique_ptr<Transport> make_nccl_transport(const Communicator& comm);

}  // namespace harmofl
