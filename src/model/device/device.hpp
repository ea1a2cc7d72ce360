// SPDX-License-Identifier: Apache-2.0
/// Where a rank computes.
#pragma once

#include <c10/core/Device.h>

#include <optional>
#include <string>

namespace harmofl {

enum class DeviceType { cpu, cuda };

/// What a process sees of GPUs.
struct GpuSurvey {
  bool built_with_cuda = false;
  int visible = 0;           ///< GPUs that this process may use, by the driver's count.
  bool has_driver = false;   ///< Whether the driver answered at all.
  std::string failure = {};  ///< What CUDA said instead of a count; "" when it counted.
  /// CUDA_VISIBLE_DEVICES, where it is set: what the scheduler or the user leaves visible.
  std::optional<std::string> visible_devices = {};
};

/// The survey of this process.
GpuSurvey survey_gpus();

/// Throws UserError, with the reason, where no GPU is usable.
void check_gpus(const GpuSurvey& survey);

/// Picks the device of this process: the CPU, or the GPU `gpu` of those that it sees, which becomes
/// the current one. Throws UserError when CUDA is asked for and no GPU is usable: never a silent
/// run on the CPU.
c10::Device select_device(DeviceType type, int gpu);

/// Names a device for people: "cpu", or "cuda:0 NVIDIA H200 (0000:19:00.0), 140.0 GiB".
std::string describe(const c10::Device& device);

/// The stream (a cudaStream_t) on which libtorch launches this thread's work on `device`; null on
/// the CPU.
void* current_stream(const c10::Device& device);

}  // namespace harmofl
