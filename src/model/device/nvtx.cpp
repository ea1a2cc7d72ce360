// SPDX-License-Identifier: Apache-2.0
// libtorch has NVTX in it and hands it out; so the header of the CUDA toolkit is not needed.
#include "model/device/nvtx.hpp"

#include "base/range.hpp"

#ifdef HARMOFL_WITH_CUDA
#include <torch/csrc/profiler/stubs/base.h>
#endif

namespace harmofl {

#ifdef HARMOFL_WITH_CUDA

void show_ranges(const c10::Device& device) {
  if (!device.is_cuda()) return;
  set_range_hooks(RangeListener::nsight,
                  {.begin =
                       [](const char* name, const RangeNote& /*note*/) {
                         torch::profiler::impl::cudaStubs()->rangePush(name);
                       },
                   .end = [] { torch::profiler::impl::cudaStubs()->rangePop(); }});
}

#else

void show_ranges(const c10::Device& /*device*/) {}

#endif

}  // namespace harmofl
