// SPDX-License-Identifier: Apache-2.0
// CUDA graphs by libtorch's at::cuda::CUDAGraph, one for each size of batches. A graph replays
// kernels with the addresses they were recorded with, so the batch goes into tensors of its own and
// the scalar comes out of one. Recording does not do the work: every call does it exactly once, by
// warming up, or by a replay.
//
// Warming up and recording share a side stream, as libtorch wants it: recording on the default
// stream is refused, and what libraries allocate at their first call on a stream must not be
// recorded. Graphs share the memory of what lies between their kernels, since they are replayed one
// after the other and leave nothing there.
#ifdef HARMOFL_WITH_CUDA

#include "model/device/cuda_recorder.hpp"

#include "harmofl/base/error.hpp"
#include "model/device/recording_plan.hpp"
#include "model/device/static_step.hpp"

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <functional>
#include <map>
#include <mutex>

namespace harmofl {
namespace {

class CudaRecorder final : public Recorder {
 public:
  CudaRecorder(torch::Device gpu, std::int64_t batch_size)
      : gpu_(gpu),
        plan_(batch_size),
        pool_(at::cuda::graph_pool_handle()),
        side_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, gpu.index())) {}

  torch::Tensor run(const StepBatch& batch, const Work& work) override {
    const std::int64_t images = batch.first.size(0);
    const Turn turn = plan_.next(images);
    if (turn == Turn::as_it_is) return work(batch);
    Recorded& recorded = recorded_[images];
    recorded.step.keep(batch);
    if (turn == Turn::warm_up) {
      on_side_stream([&] { recorded.step.run(work); });
    } else {
      if (turn == Turn::record) record(recorded, work);
      recorded.graph.replay();
    }
    return recorded.step.result();
  }

 private:
  struct Recorded {
    StaticStep step;
    at::cuda::CUDAGraph graph;
  };

  /// Runs `work` after what the current stream has to do, and before what it will have to.
  void on_side_stream(const std::function<void()>& work) {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(gpu_.index());
    follow(side_, current);
    {
      const c10::cuda::CUDAStreamGuard guard(side_);
      work();
    }
    follow(current, side_);
  }

  /// Makes `later` wait for what `earlier` has been given so far.
  static void follow(const c10::cuda::CUDAStream& later, const c10::cuda::CUDAStream& earlier) {
    at::cuda::CUDAEvent event;
    event.record(earlier);
    event.block(later);
  }

  void record(Recorded& recorded, const Work& work) {
    static std::mutex capturing;  // the allocator gives nothing back while another thread records
    const std::lock_guard alone(capturing);
    on_side_stream([&] {
      side_.synchronize();
      // What warming up took would else be held beside what the graph takes.
      c10::cuda::CUDACachingAllocator::emptyCache();
      // Other threads (MPI, NCCL) may call CUDA meanwhile: only this one's calls are restricted.
      recorded.graph.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
      try {
        recorded.step.run(work);
        recorded.graph.capture_end();
      } catch (const c10::Error& error) {
        end_capture(recorded.graph);
        throw UserError(concat("device.graphs = true, but the local step could not be recorded: ",
                               error.what_without_backtrace(), ". Set --device.graphs false."));
      } catch (...) {
        end_capture(recorded.graph);
        throw;
      }
    });
  }

  /// Leaves the stream and the allocator as they were before a capture that failed.
  void end_capture(at::cuda::CUDAGraph& graph) {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    cudaStreamIsCapturing(side_.stream(), &status);
    if (status != cudaStreamCaptureStatusNone) {
      cudaGraph_t unfinished = nullptr;
      cudaStreamEndCapture(side_.stream(), &unfinished);
      if (unfinished != nullptr) cudaGraphDestroy(unfinished);
    }
    cudaGetLastError();  // or it would come up as the failure of the next call
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(gpu_.index(), graph.pool());
    } catch (const c10::Error&) {
      // The graph has ended that itself.
    }
  }

  torch::Device gpu_;
  RecordingPlan plan_;
  at::cuda::MempoolId_t pool_;
  c10::cuda::CUDAStream side_;
  std::map<std::int64_t, Recorded> recorded_;  ///< By number of images.
};

}  // namespace

std::unique_ptr<Recorder> make_cuda_recorder(torch::Device gpu, std::int64_t batch_size) {
  return std::make_unique<CudaRecorder>(gpu, batch_size);
}

}  // namespace harmofl

#endif  // HARMOFL_WITH_CUDA
