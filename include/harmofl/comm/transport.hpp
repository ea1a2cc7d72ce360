/// The all-reduce of one contiguous buffer where it lies: host memory by MPI, GPU memory by NCCL.
#pragma once

#include "harmofl/comm/communicator.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace harmofl {

enum class TransportKind { automatic, mpi, nccl };

/// Adds buffers over ranks, in place. All calls are collective and return when the sum is there.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual std::string_view name() const = 0;
  /// True when buffers lie in GPU memory (of the current device), false for host memory.
  virtual bool on_gpu() const = 0;

  virtual void all_reduce_sum(std::span<float> buffer) = 0;
  virtual void all_reduce_sum(std::span<std::int64_t> buffer) = 0;
};

/// Makes the transport for buffers of the host (`gpu` false) or of the current GPU. `automatic`
/// takes NCCL for a GPU where this build has it, MPI otherwise. Throws UserError for NCCL without
/// a GPU or in a build without it. Collective. `comm` must outlive the transport.
std::unique_ptr<Transport> make_transport(TransportKind kind, const Communicator& comm, bool gpu);

}  // namespace harmofl
