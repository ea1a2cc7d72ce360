// SPDX-License-Identifier: Apache-2.0
#include "model/device/recorder.hpp"

#include "harmofl/base/error.hpp"
#include "model/device/cuda_recorder.hpp"

namespace harmofl {
namespace {

class Immediate final : public Recorder {
 public:
  torch::Tensor run(const StepBatch& batch, const Work& work) override { return work(batch); }
};

}  // namespace

#ifndef HARMOFL_WITH_CUDA
std::unique_ptr<Recorder> make_cuda_recorder(torch::Device /*gpu*/, std::int64_t /*batch_size*/) {
  return nullptr;  // such a build has no GPU to make one for
}
#endif

void check_recorder(bool graphs, torch::Device device) {
  HARMOFL_VALIDATE(!graphs || device.is_cuda(), "device.graphs = true, but the device is the CPU, ",
                   "and only a GPU replays graphs. Set --device.graphs false, or --device.type ",
                   "cuda.");
}

std::unique_ptr<Recorder> make_recorder(bool graphs, torch::Device device,
                                        std::int64_t batch_size) {
  if (!graphs) return std::make_unique<Immediate>();
  check_recorder(graphs, device);
  return make_cuda_recorder(device, batch_size);
}

}  // namespace harmofl
