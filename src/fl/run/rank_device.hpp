// SPDX-License-Identifier: Apache-2.0
/// The device of each rank of a job.
#pragma once

#include "comm/communicator.hpp"
#include "model/device/device.hpp"

namespace harmofl {

/// Picks this rank's device: the CPU, or of the GPUs that the ranks see one of its own where that
/// is possible (gpu_of_rank), which becomes the current one. Throws as select_device. Collective.
c10::Device device_of_rank(DeviceType type, const Communicator& comm);

}  // namespace harmofl
