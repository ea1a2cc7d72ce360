// SPDX-License-Identifier: Apache-2.0
/// Owners of what the CUDA runtime hands out. For builds with HARMOFL_WITH_NCCL.
#pragma once

#include "comm/gpu/cuda_check.hpp"

namespace harmofl {

/// A stream that waits for no other of itself.
class CudaStream {
 public:
  CudaStream() {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
  }
  ~CudaStream() { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// A mark on a stream, which others can wait for.
class CudaEvent {
 public:
  CudaEvent() {
    check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "make an event");
  }
  ~CudaEvent() { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  /// Lets what is launched on `later` from now on wait for what was launched on `earlier`.
  void order(cudaStream_t earlier, cudaStream_t later) {
    check_cuda(cudaEventRecord(event_, earlier), "record an event");
    check_cuda(cudaStreamWaitEvent(later, event_, 0), "order two streams");
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace harmofl
