// SPDX-License-Identifier: Apache-2.0
#include "fl/run/rank_device.hpp"

#include "comm/gpu/gpu.hpp"

namespace harmofl {

c10::Device device_of_rank(DeviceType type, const Communicator& comm) {
  const int gpu = type == DeviceType::cuda ? gpu_of_rank(comm) : 0;
  c10::Device device(c10::kCPU);
  comm.agree([&] { device = select_device(type, gpu); });
  return device;
}

}  // namespace harmofl
