// SPDX-License-Identifier: Apache-2.0
#include "comm/transport_choice.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace harmofl {
namespace {

using Ranks = std::vector<std::string>;

/// Ranks by what tells their GPUs apart: (host or what NCCL takes for it, PCI id).
std::map<std::pair<std::string, std::string>, Ranks> ranks_by_gpu(
    const std::vector<GpuPlace>& places, bool as_nccl) {
  std::map<std::pair<std::string, std::string>, Ranks> found;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    const GpuPlace& place = places[rank];
    const bool renamed = as_nccl && !place.nccl_host_id.empty();
    found[{renamed ? "NCCL_HOSTID " + place.nccl_host_id : place.host, place.bus_id}].push_back(
        std::to_string(rank));
  }
  return found;
}

/// "0, 1 and 2".
std::string listed(const Ranks& ranks) {
  const Ranks all_but_last(ranks.begin(), ranks.end() - 1);
  return concat(join(all_but_last), " and ", ranks.back());
}

std::vector<std::string> shared(const std::vector<GpuPlace>& places, bool as_nccl) {
  std::vector<std::string> texts;
  for (const auto& [gpu, ranks] : ranks_by_gpu(places, as_nccl)) {
    if (ranks.size() < 2) continue;
    texts.push_back(concat("ranks ", listed(ranks), " share GPU ", gpu.second, " of ", gpu.first));
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

void require_nccl(const TransportSetting& setting, const std::vector<std::string>& clashes) {
  HARMOFL_VALIDATE(setting.gpu, "Transport nccl was asked for, but the parameters lie in host ",
                   "memory, and NCCL sums GPU memory only. Use a GPU, or transport mpi.");
  HARMOFL_VALIDATE(setting.has_nccl, "Transport nccl was asked for, but this build has no NCCL. ",
                   "Configure with -DHARMOFL_CUDA=ON, or use transport mpi.");
  HARMOFL_VALIDATE(
      clashes.empty(), "Transport nccl was asked for, but ", join(clashes, "; "),
      ", which NCCL does not support. Start one rank a GPU, use transport mpi, or give ",
      "each of these ranks a NCCL_HOSTID of its own (sums then go over sockets).");
}

}  // namespace

std::vector<std::string> shared_gpus(const std::vector<GpuPlace>& places) {
  return shared(places, /*as_nccl=*/false);
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
  const std::vector<std::string> clashes = shared(setting.places, /*as_nccl=*/true);
  if (asked == TransportKind::nccl) {
    require_nccl(setting, clashes);
    return {TransportRoute::nccl, "as asked for"};
  }
  if (!setting.gpu) return {TransportRoute::host, ""};
  if (asked == TransportKind::mpi) return by_mpi(setting, "as asked for");
  if (!setting.has_nccl) return by_mpi(setting, "this build has no NCCL");
  if (!clashes.empty())
    return by_mpi(setting, join(clashes, "; ") + ", which NCCL does not support");
  const bool renamed = !shared_gpus(setting.places).empty();
  return {TransportRoute::nccl, renamed ? "ranks share a GPU under NCCL_HOSTIDs of their own"
                                        : "no two ranks share a GPU"};
}

}  // namespace harmofl
