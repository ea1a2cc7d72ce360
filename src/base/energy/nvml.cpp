// SPDX-License-Identifier: Apache-2.0
// The declarations are those of NVML's API: version 2 of nvmlInit, and functions that have had one
// form since they were introduced.
#include "base/energy/nvml.hpp"

#include "harmofl/base/text.hpp"

#include <array>
#include <dlfcn.h>

namespace harmofl {

struct NvmlEnergy::Library {
  void* handle = nullptr;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  const char* (*error_text)(int) = nullptr;
  int (*device_of)(const char* uuid, void** device) = nullptr;
  int (*energy_of)(void* device, unsigned long long* millijoules) = nullptr;
  bool initialised = false;

  explicit Library(const std::string& name) : handle(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle == nullptr) {
      const char* const why = dlerror();
      throw NoEnergy(concat(name, " cannot be loaded (", why == nullptr ? "no reason given" : why,
                            "). It comes with NVIDIA's driver"));
    }
    find(init, "nvmlInit_v2", name);
    find(shutdown, "nvmlShutdown", name);
    find(error_text, "nvmlErrorString", name);
    find(device_of, "nvmlDeviceGetHandleByUUID", name);
    find(energy_of, "nvmlDeviceGetTotalEnergyConsumption", name);
  }
  ~Library() {
    if (initialised) shutdown();
    if (handle != nullptr) dlclose(handle);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  template <class Function>
  void find(Function& function, const char* symbol, const std::string& name) {
    function = reinterpret_cast<Function>(dlsym(handle, symbol));
    if (function != nullptr) return;
    dlclose(handle);  // no destructor runs for what was not constructed
    throw NoEnergy(concat(name, " has no function ", symbol, ". Take a newer driver"));
  }

  void check(int status, const std::string& doing) const {
    if (status == 0) return;
    throw NoEnergy(concat("NVML cannot ", doing, ": ", error_text(status)));
  }
};

NvmlEnergy::NvmlEnergy(const std::string& uuid, const std::string& library)
    : library_(std::make_unique<Library>(library)), uuid_(dashed_uuid(uuid)) {
  library_->check(library_->init(), "start");
  library_->initialised = true;
  library_->check(library_->device_of(uuid_.c_str(), &device_), "find " + uuid_);
  last_ = read();
}

NvmlEnergy::~NvmlEnergy() = default;

std::string NvmlEnergy::name() const { return uuid_; }

unsigned long long NvmlEnergy::read() const {
  unsigned long long millijoules = 0;
  library_->check(library_->energy_of(device_, &millijoules), "read the energy of " + uuid_);
  return millijoules;
}

double NvmlEnergy::joules() {
  const unsigned long long now = read();
  if (now < last_) throw NoEnergy(concat("the energy of ", uuid_, " began anew: a driver reset"));
  const unsigned long long used = now - last_;
  last_ = now;
  return static_cast<double>(used) / 1000.0;
}

std::string dashed_uuid(const std::string& uuid) {
  constexpr std::size_t prefix = 4;  // "GPU-"
  constexpr std::array<std::size_t, 4> ends{8, 12, 16, 20};
  std::string text = uuid;
  if (text.size() != prefix + 32) return text;
  for (std::size_t i = 0; i < ends.size(); ++i) text.insert(prefix + ends[i] + i, 1, '-');
  return text;
}

}  // namespace harmofl
