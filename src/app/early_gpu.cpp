// SPDX-License-Identifier: Apache-2.0
#include "app/early_gpu.hpp"

#include "app/config/config.hpp"
#include "base/version.hpp"
#include "comm/gpu/gpu.hpp"

namespace harmofl {

bool computes_on_gpus(const Arguments& arguments) {
  if (arguments.empty() || arguments.front() != "train") return false;
  try {
    const auto config = Config::from_arguments({arguments.begin() + 1, arguments.end()});
    return config.text("device.type") == "cuda";
  } catch (const Error&) {  // comes again when all ranks can agree on it
    return false;
  }
}

void take_gpu_early(const Arguments& arguments) {
  if (build_info().cuda && computes_on_gpus(arguments)) take_gpu_before_mpi();
}

}  // namespace harmofl
