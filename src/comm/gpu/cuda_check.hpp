// SPDX-License-Identifier: Apache-2.0
/// Turns what the CUDA runtime returns into errors. For builds with HARMOFL_WITH_NCCL.
#pragma once

#include "harmofl/base/error.hpp"

#include <cuda_runtime_api.h>

namespace harmofl {

/// Throws RankFailure, with what CUDA failed to do, unless `status` is success.
inline void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw RankFailure(concat("CUDA failed to ", what, ": ", cudaGetErrorString(status), " (",
                           cudaGetErrorName(status), "). Check the GPU with nvidia-smi."));
}

}  // namespace harmofl
