// SPDX-License-Identifier: Apache-2.0
// CUDA graphs by libtorch's at::cuda::CUDAGraph. A graph replays kernels with the addresses they
// were recorded with, so the batch goes into tensors of its own and the scalar comes out of one.
// Recording does not do the work: every call does it exactly once, by warming up, or by a replay.
//
// Warming up and recording share a side stream, as libtorch wants it: recording on the default
// stream is refused, and what libraries allocate at their first call on a stream must not be
// recorded.
#ifdef HARMOFL_WITH_CUDA

#include "model/device/cuda_recorder.hpp"

#include "harmofl/base/error.hpp"

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <functional>

namespace harmofl {
namespace {

constexpr int warm_up_calls = 3;

class CudaRecorder final : public Recorder {
 public:
  CudaRecorder(torch::Device gpu, std::int64_t batch_size)
      : gpu_(gpu),
        batch_size_(batch_size),
        side_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, gpu.index())) {}

  torch::Tensor run(const StepBatch& batch, const Work& work) override {
    if (batch.first.size(0) != batch_size_) return work(batch);
    keep(batch);
    if (calls_ < warm_up_calls) {
      on_side_stream([&] { result_.copy_(work(batch_)); });
    } else {
      if (calls_ == warm_up_calls) record(work);
      graph_.replay();
    }
    ++calls_;
    return result_.clone();  // the next call writes over it
  }

 private:
  /// Copies the batch to where the graph reads it. Both passes share a copy unless their images
  /// differ in the first call; then they may turn into one tensor later, as they do when the
  /// running amplitude is frozen, but not the other way round.
  void keep(const StepBatch& batch) {
    const bool alike = batch.second.is_same(batch.first);
    if (!batch_.first.defined()) {
      batch_.first = torch::empty_like(batch.first);
      batch_.second = alike ? batch_.first : torch::empty_like(batch.second);
      batch_.targets = torch::empty_like(batch.targets);
      result_ = torch::zeros({}, batch.first.options());
    }
    const bool shared = batch_.second.is_same(batch_.first);
    HARMOFL_EXPECT(batch.first.sizes() == batch_.first.sizes() &&
                   batch.targets.sizes() == batch_.targets.sizes() && (alike || !shared));
    batch_.first.copy_(batch.first);
    if (!shared) batch_.second.copy_(batch.second);
    batch_.targets.copy_(batch.targets);
  }

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

  void record(const Work& work) {
    on_side_stream([&] {
      side_.synchronize();
      // Other threads (MPI, NCCL) may call CUDA meanwhile: only this one's calls are restricted.
      graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
      try {
        result_.copy_(work(batch_));
        graph_.capture_end();
      } catch (const c10::Error& error) {
        throw UserError(concat("device.graphs = true, but the local step could not be recorded: ",
                               error.what_without_backtrace(), ". Set --device.graphs false."));
      }
    });
  }

  torch::Device gpu_;
  std::int64_t batch_size_;
  c10::cuda::CUDAStream side_;
  at::cuda::CUDAGraph graph_;
  StepBatch batch_;       ///< Where the graph reads.
  torch::Tensor result_;  ///< Where it writes.
  int calls_ = 0;         ///< With batches of full size.
};

}  // namespace

std::unique_ptr<Recorder> make_cuda_recorder(torch::Device gpu, std::int64_t batch_size) {
  return std::make_unique<CudaRecorder>(gpu, batch_size);
}

}  // namespace harmofl

#endif  // HARMOFL_WITH_CUDA
