// SPDX-License-Identifier: Apache-2.0
#include "comm/gpu/gpu.hpp"

#include "comm/gpu/gpu_assignment.hpp"
#include "comm/launcher.hpp"

#include <cstdlib>
#include <sstream>

#ifdef HARMOFL_WITH_NCCL
#include "comm/gpu/cuda_check.hpp"

#include <array>
#endif

namespace harmofl {

#ifdef HARMOFL_WITH_NCCL
namespace {

/// "GPU-5f0c...": 32 digits, no dashes, for it is compared and never typed.
std::string text_of(const cudaUUID_t& uuid) {
  constexpr std::array digits{'0', '1', '2', '3', '4', '5', '6', '7',
                              '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
  std::string text = "GPU-";
  for (const char byte : uuid.bytes) {
    const auto bits = static_cast<unsigned char>(byte);
    text += digits[bits >> 4U];
    text += digits[bits & 15U];
  }
  return text;
}

std::string uuid_of(int device) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device), "tell a device's properties");
  return text_of(properties.uuid);
}

int count_gpus() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // or it would come up as the failure of the next call
  return 0;
}

}  // namespace

std::vector<std::string> visible_gpus() {
  std::vector<std::string> uuids;
  for (int device = 0; device < count_gpus(); ++device) uuids.push_back(uuid_of(device));
  return uuids;
}

std::optional<int> take_gpu_before_mpi() {
  const int visible = count_gpus();
  const std::optional<int> device = visible == 1 ? std::optional(0) : launched_local_rank();
  if (!device || *device >= visible) return std::nullopt;
  if (cudaSetDevice(*device) == cudaSuccess) return device;
  cudaGetLastError();
  return std::nullopt;
}

GpuPlace current_gpu(const Communicator& comm) {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "tell the current device");
  std::array<char, 32> bus_id{};
  check_cuda(cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), device),
             "tell the device's bus id");
  const char* const host_id = std::getenv("NCCL_HOSTID");
  return {comm.host(), uuid_of(device), bus_id.data(), host_id == nullptr ? "" : host_id};
}

void wait_for(StreamHandle stream) {
  check_cuda(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "fill a buffer");
}

#else

std::vector<std::string> visible_gpus() { return {}; }
std::optional<int> take_gpu_before_mpi() { return std::nullopt; }
GpuPlace current_gpu(const Communicator& comm) { return {comm.host(), "", "", ""}; }
void wait_for(StreamHandle /*stream*/) {}

#endif

int gpu_of_rank(const Communicator& comm) {
  std::vector<std::string> own;
  comm.agree([&] { own = visible_gpus(); });
  const std::vector<int> local_ranks = comm.all_gather_value(comm.local_rank());
  std::vector<GpuView> views;
  for (const std::string& uuids : comm.all_gather(join(own, "\n"))) {
    GpuView view{{}, local_ranks[views.size()]};
    std::istringstream lines(uuids);
    for (std::string uuid; std::getline(lines, uuid);) view.uuids.push_back(uuid);
    views.push_back(std::move(view));
  }
  return assign_gpus(views)[comm.rank().position()];
}

}  // namespace harmofl
