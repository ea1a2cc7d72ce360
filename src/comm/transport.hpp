// SPDX-License-Identifier: Apache-2.0
/// The all-reduce of one contiguous buffer where it lies: host memory by MPI, GPU memory by NCCL or
/// by an MPI that takes pointers to it.
#pragma once

#include "comm/communicator.hpp"
#include "comm/silence.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace harmofl {

enum class TransportKind { automatic, mpi, nccl };

/// A cudaStream_t; null is the legacy default stream. Of no meaning for host memory.
using StreamHandle = void*;

/// Adds buffers over ranks, in place. All calls are collective and return when the sum is there,
/// for every stream and for the host.
class Transport {
 public:
  virtual ~Transport() = default;

  /// "nccl", "mpi (CUDA-aware)", "mpi (staged)" (the caller copies GPU memory to the host and
  /// back), or "mpi" where the buffers are in host memory anyway.
  virtual std::string_view name() const = 0;
  /// True when buffers lie in GPU memory (of the current device), false for host memory.
  virtual bool on_gpu() const = 0;

  /// `filled_on` is the stream on which the work that fills the buffer was launched: the sum waits
  /// for it.
  virtual void all_reduce_sum(std::span<float> buffer, StreamHandle filled_on = nullptr) = 0;
  virtual void all_reduce_sum(std::span<std::int64_t> buffer, StreamHandle filled_on = nullptr) = 0;
};

/// Makes the transport for buffers of the host (`gpu` false) or of the current GPU, as
/// `choose_transport` says (transport_choice.hpp). For a GPU the log says once, on the root, which
/// one it is and why, and which ranks share a GPU. Throws UserError for NCCL without a GPU or in a
/// build without it, RankFailure where NCCL has not connected the ranks within `connect_limit_s`
/// seconds (0: however long it takes). Collective. `comm` must outlive the transport.
std::unique_ptr<Transport> make_transport(TransportKind kind, const Communicator& comm, bool gpu,
                                          double connect_limit_s = SilenceLimits::floor_s);

}  // namespace harmofl
