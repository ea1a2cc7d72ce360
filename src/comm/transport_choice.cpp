// SPDX-License-Identifier: Apache-2.0
#include "comm/transport_choice.hpp"

#include <map>
#include <utility>

namespace harmofl {
namespace {

using Ranks = std::vector<std::int64_t>;

/// What tells two GPUs apart: (host or what NCCL takes for it, PCI id or UUID).
using GpuName = std::pair<std::string, std::string>;

GpuName as_nccl(const GpuPlace& place) {
  const bool renamed = !place.nccl_host_id.empty();
  return {renamed ? "NCCL_HOSTID " + place.nccl_host_id : place.host, place.bus_id};
}

GpuName by_uuid(const GpuPlace& place) { return {place.host, place.uuid}; }

/// Ranks that share a GPU, by the first of them.
std::map<std::int64_t, Ranks> ranks_by_gpu(const std::vector<GpuPlace>& places,
                                           GpuName (*name_of)(const GpuPlace&)) {
  std::map<GpuName, std::int64_t> first;
  std::map<std::int64_t, Ranks> found;
  for (std::int64_t rank = 0; rank < std::ssize(places); ++rank) {
    const GpuName name = name_of(places[static_cast<std::size_t>(rank)]);
    found[first.emplace(name, rank).first->second].push_back(rank);
  }
  return found;
}

/// "0, 1 and 2".
std::string listed(const Ranks& ranks) {
  std::vector<std::string> texts;
  for (const std::int64_t rank : ranks) texts.push_back(std::to_string(rank));
  const std::string last = texts.back();
  texts.pop_back();
  return concat(join(texts), " and ", last);
}

std::vector<std::string> shared(const std::vector<GpuPlace>& places,
                                GpuName (*name_of)(const GpuPlace&)) {
  std::vector<std::string> texts;
  for (const auto& [first, ranks] : ranks_by_gpu(places, name_of)) {
    if (ranks.size() < 2) continue;
    const GpuPlace& place = places[static_cast<std::size_t>(first)];
    texts.push_back(
        concat("ranks ", listed(ranks), " share GPU ", place.bus_id, " of ", name_of(place).first));
  }
  return texts;
}

TransportChoice by_mpi(const TransportSetting& setting, const std::string& why) {
  if (setting.cuda_aware_mpi) {
    return {TransportRoute::cuda_aware, why + ", and the MPI library takes GPU memory"};
  }
  return {TransportRoute::staged,
          why + ", and the MPI library does not take GPU memory: sums go through host memory"};
}

void require_nccl(const TransportSetting& setting) {
  HARMOFL_VALIDATE(setting.gpu, "Transport nccl was asked for, but the parameters lie in host ",
                   "memory, and NCCL sums GPU memory only. Use a GPU, or transport mpi.");
  HARMOFL_VALIDATE(setting.has_nccl, "Transport nccl was asked for, but this build has no NCCL. ",
                   "Configure with -DHARMOFL_CUDA=ON, or use transport mpi.");
}

/// NCCL, and what comes before it where ranks share GPUs.
TransportChoice by_nccl(const TransportSetting& setting, const std::string& why) {
  const std::vector<std::string> clashes = shared(setting.places, as_nccl);
  if (clashes.empty()) return {TransportRoute::nccl, why};
  return {TransportRoute::nccl,
          concat(why, "; ", join(clashes, "; "),
                 ": they sum in host memory, and NCCL sums what one of them has then")};
}

}  // namespace

std::vector<std::string> shared_gpus(const std::vector<GpuPlace>& places) {
  return shared(places, by_uuid);
}

std::vector<std::int64_t> nccl_leaders(const std::vector<GpuPlace>& places) {
  std::vector<std::int64_t> leaders(places.size());
  for (const auto& [first, ranks] : ranks_by_gpu(places, as_nccl)) {
    for (const std::int64_t rank : ranks) leaders[static_cast<std::size_t>(rank)] = first;
  }
  return leaders;
}

std::string_view to_string(TransportRoute route) {
  switch (route) {
    case TransportRoute::host:
      return "mpi";
    case TransportRoute::staged:
      return "mpi (staged)";
    case TransportRoute::cuda_aware:
      return "mpi (CUDA-aware)";
    case TransportRoute::nccl:
      return "nccl";
  }
  return "";
}

TransportChoice choose_transport(TransportKind asked, const TransportSetting& setting) {
  if (asked == TransportKind::nccl) {
    require_nccl(setting);
    return by_nccl(setting, "as asked for");
  }
  if (!setting.gpu) return {TransportRoute::host, ""};
  if (asked == TransportKind::mpi) return by_mpi(setting, "as asked for");
  if (!setting.has_nccl) return by_mpi(setting, "this build has no NCCL");
  const auto gpus = ranks_by_gpu(setting.places, as_nccl);
  if (setting.places.size() > 1 && gpus.size() == 1) {
    return by_mpi(setting, "all " + shared(setting.places, as_nccl).front() +
                               ", which leaves NCCL nothing to sum");
  }
  if (gpus.size() < setting.places.size()) {
    return by_nccl(setting, concat("of ", gpus.size(), " GPUs"));
  }
  const bool renamed = !shared_gpus(setting.places).empty();
  return {TransportRoute::nccl, renamed ? "ranks share a GPU under NCCL_HOSTIDs of their own"
                                        : "no two ranks share a GPU"};
}

}  // namespace harmofl
