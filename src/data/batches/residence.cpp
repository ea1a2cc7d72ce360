// SPDX-License-Identifier: Apache-2.0
#include "data/batches/residence.hpp"

#include "base/log.hpp"
#include "harmofl/base/error.hpp"

#include <ATen/DeviceAccelerator.h>

#include <utility>

namespace harmofl {
namespace {

std::string size_text(std::int64_t size_bytes) {
  return human_bytes(static_cast<double>(size_bytes));
}

/// Moves all splits or, where memory runs out in spite of what was free (another rank may have
/// taken it meanwhile), none.
bool try_to_move(ClientData& client, torch::Device device) {
  std::array<Samples, 3> moved = client.splits;
  try {
    for (Samples& samples : moved) {
      if (!samples.images.defined()) continue;
      samples.images = samples.images.to(device);
      samples.targets = samples.targets.to(device);
    }
  } catch (const c10::OutOfMemoryError&) {
    return false;
  }
  client.splits = std::move(moved);
  return true;
}

}  // namespace

std::int64_t sample_bytes(const ClientData& client) {
  std::size_t bytes = 0;
  for (const Samples& samples : client.splits) {
    if (samples.images.defined()) bytes += samples.images.nbytes() + samples.targets.nbytes();
  }
  return static_cast<std::int64_t>(bytes);
}

bool fits(std::int64_t sample_bytes, std::int64_t free_bytes) {
  return sample_bytes <= free_bytes / 2;
}

void settle(ClientData& client, torch::Device device) {
  if (device.is_cpu()) return;
  const std::int64_t bytes = sample_bytes(client);
  const auto free_bytes =
      static_cast<std::int64_t>(at::accelerator::getMemoryInfo(device.index()).first);
  if (fits(bytes, free_bytes) && try_to_move(client, device)) {
    static bool told = false;  // of thousands of clients, the first says it
    if (!std::exchange(told, true)) {
      log::info("samples are kept in the memory of " + device.str() + " as long as they fit");
    }
    return;
  }
  for (Samples& samples : client.splits) samples.batch_device = device;
  static bool warned = false;
  if (std::exchange(warned, true)) return;
  log::warn_once(concat("the samples of ", client.site, " (", size_text(bytes), ") and maybe of ",
                        "others stay in host memory, since ", device.str(), " has ",
                        size_text(free_bytes), " free and half of it is kept for the model. Their ",
                        "batches are copied as they are needed. Fewer ranks a GPU leave more."));
}

}  // namespace harmofl
