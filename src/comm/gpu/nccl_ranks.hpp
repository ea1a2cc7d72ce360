// SPDX-License-Identifier: Apache-2.0
/// The ranks that NCCL connects, one a GPU. For builds with HARMOFL_WITH_NCCL.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <cstddef>

namespace harmofl {

/// Throws RankFailure, with what NCCL failed to do, unless `status` is success.
void check_nccl(ncclResult_t status, const char* what);

/// One rank of those that NCCL connects. NCCL never keeps the host: what it is asked for goes on
/// while the host looks whether it is done, whether a peer failed, and how long it has taken.
///
/// What did not end well is aborted when the object goes: ending it in good order would wait for
/// peers that may be gone.
class NcclRank {
 public:
  /// Connects the current GPU as rank `rank` of `size`, with an id that all of them have. Throws
  /// RankFailure where NCCL fails or, unless `limit_s` is 0, not all are there within `limit_s`
  /// seconds.
  NcclRank(const ncclUniqueId& id, int size, int rank, double limit_s);

  /// Adds `data` over all ranks, in place, behind what was launched on `stream`, and waits for it.
  /// Throws RankFailure when this rank or another fails.
  void all_reduce_sum(void* data, std::size_t count, ncclDataType_t type, cudaStream_t stream);

 private:
  /// Owner of the communicator, also where the constructor throws.
  struct Handle {
    Handle() = default;
    ~Handle();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    ncclComm_t comm = nullptr;
    bool in_doubt = false;  ///< Something was begun that has not ended well.
  };

  void wait_until_launched(cudaStream_t stream);
  void wait_for(cudaStream_t stream);
  ncclResult_t state() const;

  Handle handle_;
};

}  // namespace harmofl
