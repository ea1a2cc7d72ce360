// SPDX-License-Identifier: Apache-2.0
#include "data/batches/residence.hpp"

#include "base/log.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace harmofl {
namespace {

std::string size_text(std::int64_t size_bytes) {
  return human_bytes(static_cast<double>(size_bytes));
}

/// Moves all splits or, where memory runs out in spite of the budget (another program may have
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

void settle(ClientData& client, torch::Device device, SampleBudget* budget) {
  if (device.is_cpu()) return;
  const bool streamed =
      std::ranges::any_of(client.splits, [](const Samples& s) { return s.source != nullptr; });
  const std::int64_t bytes = sample_bytes(client);
  if (budget != nullptr && !streamed) {
    auto room = budget->take(bytes);
    if (room && try_to_move(client, device)) {
      client.device_room = std::move(room);
      return;
    }
  }
  for (Samples& samples : client.splits) samples.batch_device = device;
  if (streamed || budget == nullptr) return;
  static std::atomic<bool> warned = false;
  if (warned.exchange(true)) return;
  log::warn_once(concat("the samples of ", client.site, " (", size_text(bytes), ") and maybe of ",
                        "others stay in host memory, since ", device.str(), " has room for ",
                        size_text(budget->left_bytes()), " of samples more. Their batches are ",
                        "copied there as they are needed. Fewer ranks a GPU leave more."));
}

}  // namespace harmofl
