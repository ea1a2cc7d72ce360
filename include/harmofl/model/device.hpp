/// Where a rank computes.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace harmofl {

enum class DeviceType { cpu, cuda };

/// Picks this rank's device: the CPU, or GPU `local_rank` modulo the visible GPUs, which becomes
/// the current one. Throws UserError when CUDA is asked for and there is no usable GPU or the
/// build has no CUDA: never a silent run on the CPU.
c10::Device select_device(DeviceType type, int local_rank);

/// Names a device for people: "cpu", or "cuda:0 NVIDIA H200 (0000:19:00.0)".
std::string describe(const c10::Device& device);

}  // namespace harmofl
