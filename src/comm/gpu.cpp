// SPDX-License-Identifier: Apache-2.0
#include "comm/gpu.hpp"

#include <mpi.h>
#if defined(OPEN_MPI) && __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#include <cstdlib>

#ifdef HARMOFL_WITH_NCCL
#include "comm/cuda_check.hpp"

#include <array>
#endif

namespace harmofl {

#ifdef HARMOFL_WITH_NCCL

GpuPlace current_gpu(const Communicator& comm) {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "tell the current device");
  std::array<char, 32> bus_id{};
  check_cuda(cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), device),
             "tell the device's bus id");
  const char* const host_id = std::getenv("NCCL_HOSTID");
  return {comm.host(), bus_id.data(), host_id == nullptr ? "" : host_id};
}

void wait_for(StreamHandle stream) {
  check_cuda(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "fill a buffer");
}

#else

GpuPlace current_gpu(const Communicator& comm) { return {comm.host(), "", ""}; }
void wait_for(StreamHandle /*stream*/) {}

#endif

bool mpi_takes_gpu_memory() {
#if defined(MPIX_CUDA_AWARE_SUPPORT)  // Open MPI; the library may have been changed since building
  return MPIX_Query_cuda_support() == 1;
#elif defined(MPIX_GPU_SUPPORT_CUDA)  // MPICH 4
  int supported = 0;
  return MPIX_GPU_query_support(MPIX_GPU_SUPPORT_CUDA, &supported) == MPI_SUCCESS && supported != 0;
#else
  return false;
#endif
}

}  // namespace harmofl
