// SPDX-License-Identifier: Apache-2.0
#include "model/device/precision.hpp"

#include "harmofl/base/error.hpp"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

#ifdef HARMOFL_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

namespace harmofl {
namespace {

#ifdef HARMOFL_WITH_CUDA
/// Whether the GPU has units for bfloat16: compute capability 8.0 (Ampere) or newer.
bool has_bf16(const c10::Device& gpu) {
  constexpr int first_major = 8;
  int major = 0;
  return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, gpu.index()) ==
             cudaSuccess &&
         major >= first_major;
}
#else
bool has_bf16(const c10::Device&) { return false; }
#endif

}  // namespace

std::string_view to_string(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
  }
  return "";
}

void apply_precision(Precision precision, const c10::Device& device) {
  if (!device.is_cuda()) {
    HARMOFL_VALIDATE(precision != Precision::tf32, "device.precision = tf32, but the device is ",
                     "the CPU, which has no TF32. Set --device.precision fp32, or --device.type ",
                     "cuda.");
    return;
  }
  HARMOFL_VALIDATE(precision != Precision::bf16 || has_bf16(device), "device.precision = bf16, ",
                   "but ", device.str(), " has no units for it (they come with compute ",
                   "capability 8.0). Set --device.precision fp32.");
  const bool tf32 = precision == Precision::tf32;  // libtorch's own default has it on for cuDNN
  at::globalContext().setAllowTF32CuBLAS(tf32);
  at::globalContext().setAllowTF32CuDNN(tf32);
}

PrecisionScope::PrecisionScope(Precision precision, const c10::Device& device)
    : active_(precision == Precision::bf16), type_(device.type()) {
  if (!active_) return;
  was_enabled_ = at::autocast::is_autocast_enabled(type_);
  at::autocast::set_autocast_dtype(type_, at::kBFloat16);
  at::autocast::set_autocast_enabled(type_, true);
  at::autocast::increment_nesting();
}

PrecisionScope::~PrecisionScope() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, was_enabled_);
}

}  // namespace harmofl
