// SPDX-License-Identifier: Apache-2.0
#include "model/device/device.hpp"

#include "harmofl/base/error.hpp"

#include <cstdlib>

#ifdef HARMOFL_WITH_CUDA
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#endif

namespace harmofl {
namespace {

/// Why no GPU is usable, as a clause.
std::string missing_gpu(const GpuSurvey& survey) {
  if (!survey.has_driver) {
    return "this host has no usable NVIDIA driver (CUDA: " + survey.failure +
           "). Run on a host with a GPU";
  }
  if (survey.visible_devices) {
    return "CUDA_VISIBLE_DEVICES = '" + *survey.visible_devices +
           "' leaves none visible. Ask the scheduler for GPUs, or unset it";
  }
  const std::string said = survey.failure.empty() ? "" : " (CUDA: " + survey.failure + ")";
  return "the driver finds none" + said + ". Ask the scheduler for one";
}

}  // namespace

void check_gpus(const GpuSurvey& survey) {
  HARMOFL_VALIDATE(survey.built_with_cuda, "device.type = cuda, but this program was built ",
                   "without CUDA. Build preset `cuda` or set --device.type cpu.");
  HARMOFL_VALIDATE(survey.visible > 0,
                   "device.type = cuda, but no GPU is usable: ", missing_gpu(survey),
                   ", or set --device.type cpu.");
}

#ifdef HARMOFL_WITH_CUDA

GpuSurvey survey_gpus() {
  GpuSurvey survey{.built_with_cuda = true};
  int driver = 0;  // 0: none is installed
  survey.has_driver = cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0;
  const cudaError_t counted = cudaGetDeviceCount(&survey.visible);
  if (counted != cudaSuccess) {
    cudaGetLastError();  // or it would come up as the failure of the next call
    survey.visible = 0;
    survey.failure = cudaGetErrorString(counted);
    if (counted == cudaErrorInsufficientDriver) survey.has_driver = false;
  }
  if (const char* devices = std::getenv("CUDA_VISIBLE_DEVICES")) survey.visible_devices = devices;
  return survey;
}

c10::Device select_device(DeviceType type, int gpu) {
  if (type == DeviceType::cpu) return c10::Device(c10::kCPU);
  const GpuSurvey survey = survey_gpus();
  check_gpus(survey);
  HARMOFL_EXPECT(gpu >= 0 && gpu < survey.visible);
  const auto index = static_cast<c10::DeviceIndex>(gpu);
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
  return concat(device.str(), " ", properties.name, " (", pci, "), ",
                human_bytes(static_cast<double>(properties.totalGlobalMem)));
}

void* current_stream(const c10::Device& device) {
  if (!device.is_cuda()) return nullptr;
  return c10::cuda::getCurrentCUDAStream(device.index()).stream();
}

#else

GpuSurvey survey_gpus() { return {}; }

c10::Device select_device(DeviceType type, int /*gpu*/) {
  if (type == DeviceType::cuda) check_gpus(survey_gpus());
  return c10::Device(c10::kCPU);
}

std::string describe(const c10::Device& device) { return device.str(); }

void* current_stream(const c10::Device& /*device*/) { return nullptr; }

#endif

}  // namespace harmofl
