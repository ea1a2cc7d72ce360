// SPDX-License-Identifier: Apache-2.0
/// With how many bits a network computes, `device.precision`.
#pragma once

#include <c10/core/Device.h>

#include <string_view>

namespace harmofl {

/// Weights, their gradients, statistics, losses and amplitude normalisation are float32 (or wider)
/// in each of them; it is the network's forward and backward passes that differ.
enum class Precision {
  fp32,  ///< float32 throughout: a GPU's TF32 is switched off.
  tf32,  ///< float32, whose factors a GPU may round to 10 bits of mantissa in products.
  bf16,  ///< Convolutions and linear layers in bfloat16, by libtorch's autocast.
};

/// The value of `device.precision`.
std::string_view to_string(Precision precision);

/// Switches TF32 of this process on or off as `precision` says, if `device` is a GPU. Throws
/// UserError for tf32 on the CPU and for bf16 on a GPU that has no such units.
void apply_precision(Precision precision, const c10::Device& device);

/// While it lives, operations on `device` compute in `precision`. The casts of weights that
/// autocast keeps are forgotten at its end, since weights change in place between two passes.
class PrecisionScope {
 public:
  PrecisionScope(Precision precision, const c10::Device& device);
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  const bool active_;
  const c10::DeviceType type_;
  bool was_enabled_ = false;
};

}  // namespace harmofl
