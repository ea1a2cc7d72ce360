// SPDX-License-Identifier: Apache-2.0
/// The energy counter of an NVIDIA GPU, by the driver's management library (NVML).
#pragma once

#include "base/energy/energy_source.hpp"

#include <memory>
#include <string>

namespace harmofl {

/// The energy of one GPU. The library is loaded when it is needed: no build depends on it.
class NvmlEnergy final : public EnergySource {
 public:
  static constexpr const char* usual_library = "libnvidia-ml.so.1";

  /// Opens the counter of the GPU with `uuid`, "GPU-" and 32 hexadecimal digits. Throws NoEnergy
  /// where the library cannot be loaded, or the GPU has no counter (those before Volta, and slices
  /// of a GPU).
  explicit NvmlEnergy(const std::string& uuid, const std::string& library = usual_library);
  ~NvmlEnergy() override;

  std::string name() const override;
  double joules() override;
  double read_every_s() const override { return 0.0; }  // 64 bits of millijoules

 private:
  struct Library;

  unsigned long long read() const;

  std::unique_ptr<Library> library_;
  std::string uuid_;
  void* device_ = nullptr;
  unsigned long long last_ = 0;  ///< Millijoules.
};

/// "GPU-01234567-89ab-..." as NVML writes it, of the same without dashes.
std::string dashed_uuid(const std::string& uuid);

}  // namespace harmofl
