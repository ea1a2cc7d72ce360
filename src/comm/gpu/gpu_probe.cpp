// SPDX-License-Identifier: Apache-2.0
// Whether MPI sums GPU memory. What the library says of itself is where to begin, not to end: it
// may have been built with CUDA, and run without the transport, the driver or the setting it needs.
#include "comm/communicator_impl.hpp"
#include "comm/gpu/gpu.hpp"

#include <optional>
#include <vector>

#if defined(OPEN_MPI) && __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#ifdef HARMOFL_WITH_NCCL
#include "comm/gpu/cuda_check.hpp"
#endif

namespace harmofl {

#ifdef HARMOFL_WITH_NCCL
namespace {

/// Whether the library says that it takes pointers to GPU memory.
bool mpi_claims_gpu_memory() {
#if defined(MPIX_CUDA_AWARE_SUPPORT)  // Open MPI; the library may have been changed since building
  return MPIX_Query_cuda_support() == 1;
#elif defined(MPIX_GPU_SUPPORT_CUDA)  // MPICH 4
  int supported = 0;
  return MPIX_GPU_query_support(MPIX_GPU_SUPPORT_CUDA, &supported) == MPI_SUCCESS && supported != 0;
#else
  return false;
#endif
}

/// GPU memory for the life of the object.
class ProbeMemory {
 public:
  explicit ProbeMemory(std::size_t bytes) { check_cuda(cudaMalloc(&data_, bytes), "give memory"); }
  ~ProbeMemory() { cudaFree(data_); }
  ProbeMemory(const ProbeMemory&) = delete;
  ProbeMemory& operator=(const ProbeMemory&) = delete;

  std::int64_t* data() const { return static_cast<std::int64_t*>(data_); }

 private:
  void* data_ = nullptr;
};

/// The sum over ranks of `length` numbers in GPU memory is what it should be. Collective; the sum
/// is made on every rank that had memory for it, or on none.
bool sums(const Communicator& comm, std::size_t length) {
  std::vector<std::int64_t> values(length, comm.rank().value() + 1);
  const std::size_t bytes = length * sizeof(std::int64_t);
  std::optional<ProbeMemory> memory;
  comm.agree([&] {
    memory.emplace(bytes);
    check_cuda(cudaMemcpy(memory->data(), values.data(), bytes, cudaMemcpyHostToDevice),
               "copy numbers to the GPU");
  });
  if (!comm.try_all_reduce_sum({memory->data(), length})) return false;
  if (cudaMemcpy(values.data(), memory->data(), bytes, cudaMemcpyDeviceToHost) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  const std::int64_t expected = comm.size() * (comm.size() + 1) / 2;
  return std::ranges::all_of(values, [&](std::int64_t value) { return value == expected; });
}

}  // namespace

bool mpi_sums_gpu_memory(const Communicator& comm) {
  if (comm.any(!mpi_claims_gpu_memory())) return false;
  for (const std::size_t length : {std::size_t{1}, std::size_t{1} << 18U}) {  // 8 B and 2 MiB
    if (comm.any(!sums(comm, length))) return false;
  }
  return true;
}

#else

bool mpi_sums_gpu_memory(const Communicator& /*comm*/) { return false; }

#endif

}  // namespace harmofl
