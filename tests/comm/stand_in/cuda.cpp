// SPDX-License-Identifier: Apache-2.0
// The CUDA runtime's half of the stand-in.
#include "comm/stand_in/stand_in.hpp"

#include <mpi.h>
#if defined(OPEN_MPI) && __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <thread>
#include <utility>

using harmofl::stand_in::Counts;
using harmofl::stand_in::Faults;
using harmofl::stand_in::Gpu;

namespace {

struct Work {
  int looks = 0;  ///< That pass before it is done.
  std::function<bool()> step;
};

}  // namespace

struct CUstream_st {
  std::deque<Work> queue;
  int looks = 0;  ///< Of each piece of work.
};

struct CUevent_st {
  std::uint64_t recorded = 0;
  std::uint64_t reached = 0;
};

namespace {

struct Runtime {
  std::vector<Gpu> gpus;
  int device = 0;
  int looks_of_new_streams = 0;
  CUstream_st default_stream;
  std::vector<cudaStream_t> streams;
  std::map<void*, std::vector<char>> hidden;  ///< What is in GPU memory that MPI does not reach.
  Faults faults;
  Counts counts;
};

Runtime& runtime() {
  static Runtime all;
  return all;
}

CUstream_st& stream_of(cudaStream_t stream) {
  return stream == nullptr ? runtime().default_stream : *stream;
}

void advance(CUstream_st& stream) {
  if (stream.queue.empty()) return;
  Work& first = stream.queue.front();
  if (first.looks > 0) {
    --first.looks;
  } else if (first.step()) {
    stream.queue.pop_front();
  }
}

/// A look: every stream comes on by a step.
void look() {
  advance(runtime().default_stream);
  for (cudaStream_t stream : runtime().streams) advance(*stream);
  std::this_thread::yield();
}

bool device_exists(int device) {
  return device >= 0 && device < static_cast<int>(runtime().gpus.size());
}

const Gpu& gpu_at(int device) { return runtime().gpus[static_cast<std::size_t>(device)]; }

/// Where MPI does not see it, GPU memory is elsewhere than its pointer says.
void* place_of(void* memory) {
  const auto found = runtime().hidden.find(memory);
  return found == runtime().hidden.end() ? memory : found->second.data();
}

}  // namespace

namespace harmofl::stand_in {

void reset(std::vector<Gpu> visible) {
  Runtime& all = runtime();
  all.gpus = std::move(visible);
  all.device = 0;
  all.looks_of_new_streams = 0;
  all.default_stream = {};
  all.faults = {};
  all.counts = {};
  reset_nccl();
}

Faults& faults() { return runtime().faults; }
Counts& counts() { return runtime().counts; }
void delay(cudaStream_t stream, int looks) { stream_of(stream).looks = looks; }
void delay_new_streams(int looks) { runtime().looks_of_new_streams = looks; }
const Gpu& current_gpu() { return gpu_at(runtime().device); }

void launch(cudaStream_t stream, std::function<bool()> step) {
  CUstream_st& queue = stream_of(stream);
  queue.queue.push_back({queue.looks, std::move(step)});
}

}  // namespace harmofl::stand_in

extern "C" {

const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "an error of the stand-in";
}
const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorLaunchFailure ? "cudaErrorLaunchFailure" : "cudaErrorOfTheStandIn";
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = static_cast<int>(runtime().gpus.size());
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaGetDevice(int* device) {
  *device = runtime().device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (!device_exists(device)) return cudaErrorInvalidDevice;
  runtime().device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!device_exists(device)) return cudaErrorInvalidDevice;
  const std::string& uuid = gpu_at(device).uuid;
  std::memset(properties, 0, sizeof *properties);
  std::memcpy(properties->uuid.bytes, uuid.data(), std::min(uuid.size(), std::size_t{16}));
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* bus_id, int length, int device) {
  if (!device_exists(device)) return cudaErrorInvalidDevice;
  const std::string& text = gpu_at(device).bus_id;
  if (static_cast<int>(text.size()) >= length) return cudaErrorInvalidValue;
  std::memcpy(bus_id, text.c_str(), text.size() + 1);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  *memory = new char[bytes]();
  if (runtime().faults.gpu_memory_is_hidden) runtime().hidden[*memory].resize(bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  runtime().hidden.erase(memory);
  delete[] static_cast<char*>(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return cudaStreamSynchronize(nullptr);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  harmofl::stand_in::launch(stream, [=] {
    std::memcpy(to, place_of(const_cast<void*>(from)), bytes);
    if (place_of(to) != to) std::memcpy(place_of(to), to, bytes);
    return true;
  });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  *stream = new CUstream_st{{}, runtime().looks_of_new_streams};
  runtime().streams.push_back(*stream);
  ++runtime().counts.streams;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (std::erase(runtime().streams, stream) == 0) return cudaErrorInvalidValue;
  delete stream;
  --runtime().counts.streams;
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (runtime().faults.streams_fail) return cudaErrorLaunchFailure;
  look();
  return stream_of(stream).queue.empty() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  while (!stream_of(stream).queue.empty()) look();
  return runtime().faults.streams_fail ? cudaErrorLaunchFailure : cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  const std::uint64_t number = event->recorded;
  harmofl::stand_in::launch(stream, [=] { return event->reached >= number; });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  *event = new CUevent_st;
  ++runtime().counts.events;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  --runtime().counts.events;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::uint64_t number = ++event->recorded;
  harmofl::stand_in::launch(stream, [=] {
    event->reached = number;
    return true;
  });
  return cudaSuccess;
}

#ifdef MPIX_CUDA_AWARE_SUPPORT
/// In the place of Open MPI's.
int MPIX_Query_cuda_support() { return runtime().faults.mpi_takes_gpu_memory ? 1 : 0; }
#endif

}  // extern "C"
