#include "harmofl/model/device.hpp"

#include "harmofl/base/error.hpp"

#ifdef HARMOFL_WITH_CUDA
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#endif

namespace harmofl {

#ifdef HARMOFL_WITH_CUDA

c10::Device select_device(DeviceType type, int local_rank) {
  if (type == DeviceType::cpu) return c10::Device(c10::kCPU);
  const int gpus = c10::cuda::device_count();
  HARMOFL_VALIDATE(gpus > 0, "device.type = cuda, but no GPU is usable: none is installed, the ",
                   "driver is missing, or CUDA_VISIBLE_DEVICES hides them. Ask the scheduler for ",
                   "one or set --device.type cpu.");
  const auto index = static_cast<c10::DeviceIndex>(local_rank % gpus);
  c10::cuda::set_device(index);
  return c10::Device(c10::kCUDA, index);
}

std::string describe(const c10::Device& device) {
  if (!device.is_cuda()) return "cpu";
  cudaDeviceProp properties{};
  char pci[32] = "unknown";
  if (cudaGetDeviceProperties(&properties, device.index()) != cudaSuccess ||
      cudaDeviceGetPCIBusId(pci, sizeof pci, device.index()) != cudaSuccess) {
    return device.str();
  }
  return concat(device.str(), " ", properties.name, " (", pci, ")");
}

#else

c10::Device select_device(DeviceType type, int /*local_rank*/) {
  HARMOFL_VALIDATE(type == DeviceType::cpu, "device.type = cuda, but this program was built ",
                   "without CUDA. Build preset `cuda` or set --device.type cpu.");
  return c10::Device(c10::kCPU);
}

std::string describe(const c10::Device& device) { return device.str(); }

#endif

}  // namespace harmofl
