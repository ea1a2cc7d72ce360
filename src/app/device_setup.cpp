// SPDX-License-Identifier: Apache-2.0
#include "app/device_setup.hpp"

#include "app/config/keys.hpp"
#include "app/config/run_options.hpp"
#include "base/log.hpp"
#include "comm/gpu/gpu.hpp"
#include "fl/gpu_needs.hpp"
#include "fl/run/rank_device.hpp"
#include "harmofl/base/error.hpp"
#include "model/device/determinism.hpp"
#include "model/device/device_memory.hpp"
#include "model/device/nvtx.hpp"

#include <algorithm>
#include <cstdlib>

namespace harmofl {
namespace {

namespace po = boost::program_options;

constexpr const char* type_key = "device.type";
constexpr const char* deterministic_key = "device.deterministic";
constexpr const char* precision_key = "device.precision";

GpuNeeds tried_needs(const SimulationOptions& options, const Federation& federation,
                     std::int64_t ranks, torch::Device device) {
  const std::int64_t free_bytes = free_gpu_bytes(device);
  try {
    return gpu_needs(options, federation, ranks, device);
  } catch (const c10::OutOfMemoryError&) {
    throw UserError(concat(
        "device.type = cuda, but a step on data.batch_size = ", options.local.batches.batch_size,
        " images takes more than the ", human_bytes(static_cast<double>(free_bytes)),
        " that are free on ", device.str(), ". Lower --data.batch_size or --model.width, or start ",
        "fewer ranks a GPU."));
  }
}

std::string budget_text(const GpuRoom& room, std::int64_t budget, torch::Device device) {
  const auto text = [](std::int64_t bytes) { return human_bytes(static_cast<double>(bytes)); };
  return concat("samples may take ", text(budget), " of ", device.str(), ": ", room.ranks,
                " rank(s) share ", text(room.free_bytes), ", and a step of each of ", room.lanes,
                " lane(s) takes ", text(room.step_bytes), ", sums and states ",
                text(room.kept_bytes));
}

}  // namespace

void add_device_options(po::options_description& options) {
  options.add_options()(type_key, text_option("cpu"), "cpu | cuda: where to compute")(
      precision_key, po::value<std::string>(),
      "fp32 | bf16 | tf32; that of the run unless given, on the CPU fp32 for its tf32")(
      deterministic_key, text_option("false"),
      "true: a GPU adds in a fixed order, and refuses operations that have none");
}

DeviceWish device_wish(const GivenOptions& given) {
  RunOptions run;
  const std::vector<Key> keys = keys_of(run);
  for (const char* name : {type_key, precision_key, deterministic_key}) {
    if (!given.contains(name)) continue;
    std::ranges::find(keys, name, &Key::name)->read(given[name].as<std::string>());
  }
  DeviceWish wish{run.device, run.deterministic};
  if (given.contains(precision_key)) wish.precision = run.simulation.model.precision;
  return wish;
}

torch::Device open_device(const DeviceWish& wish, const Communicator& comm) {
  const torch::Device device = device_of_rank(wish.type, comm);
  comm.agree([&] {
    if (wish.precision) apply_precision(*wish.precision, device);
    apply_determinism(wish.deterministic, device);
    show_ranges(device);
  });
  return device;
}

std::unique_ptr<RunEnergy> open_energy(torch::Device device, const Communicator& comm) {
  EnergyPlaces places;
  if (const char* folder = std::getenv("HARMOFL_POWERCAP")) places.powercap = folder;
  if (const char* library = std::getenv("HARMOFL_NVML")) places.nvml = library;
  std::string gpu;
  comm.agree([&] {
    if (device.is_cuda()) gpu = current_gpu(comm).uuid;
  });
  auto energy = std::make_unique<RunEnergy>(comm, gpu, places);
  for (const auto& [kind, counters] : energy->counters()) {
    log::info(concat("joules of ", kind, ": by ", counters));
  }
  if (!comm.is_root()) return energy;
  for (const auto& [kind, why] : energy->missing()) {
    log::warn_once(concat("run.energy: joules of ", kind, ": not available: ", why, "."));
  }
  return energy;
}

std::int64_t ranks_sharing(const std::vector<std::string>& uuids, std::size_t rank) {
  return std::ranges::count(uuids, uuids.at(rank));
}

// All ranks have looked before the first fills anything.
std::unique_ptr<SampleBudget> open_sample_budget(const SimulationOptions& options,
                                                 const Federation& federation, torch::Device device,
                                                 const Communicator& comm) {
  if (device.is_cpu()) return nullptr;  // on every rank
  std::string gpu;
  comm.agree([&] { gpu = current_gpu(comm).uuid; });  // that of the slice, of a GPU in slices
  GpuRoom room{.ranks = ranks_sharing(comm.all_gather(gpu), comm.rank().position()),
               .lanes = options.lanes};
  comm.agree([&] { room.free_bytes = free_gpu_bytes(device); });
  comm.agree([&] {
    const GpuNeeds needs = tried_needs(options, federation, comm.size(), device);
    room.step_bytes = needs.step_bytes;
    room.kept_bytes = needs.kept_bytes;
  });
  const std::int64_t budget = sample_budget(room);
  log::info(budget_text(room, budget, device));
  return std::make_unique<SampleBudget>(budget);
}

}  // namespace harmofl
