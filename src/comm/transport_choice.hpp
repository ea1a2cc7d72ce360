// SPDX-License-Identifier: Apache-2.0
/// Which transport sums what lies on GPUs: rules without any GPU in them.
#pragma once

#include "comm/transport.hpp"

#include <string>
#include <vector>

namespace harmofl {

/// The GPU that a rank computes on.
struct GpuPlace {
  std::string host;
  std::string uuid;          ///< Of a slice of a GPU (MIG) its own.
  std::string bus_id;        ///< PCI, "0000:19:00.0"; slices of one GPU have the same.
  std::string nccl_host_id;  ///< NCCL_HOSTID, by which NCCL takes ranks for different hosts, or "".
};

/// "ranks 0 and 2 share GPU 0000:19:00.0 of n1", for every GPU (or slice) that several ranks use.
/// `places` is by rank.
std::vector<std::string> shared_gpus(const std::vector<GpuPlace>& places);

/// By rank, the lowest rank among those that NCCL takes for users of one GPU, by host and PCI id:
/// it takes one of them only. A rank that has a GPU to itself leads itself.
std::vector<std::int64_t> nccl_leaders(const std::vector<GpuPlace>& places);

/// What the choice depends on; the same on every rank.
struct TransportSetting {
  bool gpu = false;                ///< Buffers lie in GPU memory.
  bool has_nccl = false;           ///< This build has NCCL.
  bool cuda_aware_mpi = false;     ///< MPI sums GPU memory, on every rank.
  std::vector<GpuPlace> places{};  ///< GPU of each rank; empty without GPUs.
};

/// How buffers are summed.
enum class TransportRoute { host, staged, cuda_aware, nccl };

/// `Transport::name` of it.
std::string_view to_string(TransportRoute route);

struct TransportChoice {
  TransportRoute route = TransportRoute::host;
  std::string reason;  ///< Reason for people, "of one rank a GPU"; "" for host memory.
};

/// NCCL where it was asked for; MPI where that was, straight from GPU memory if the library can;
/// for `automatic` NCCL where the build has it, but MPI where all ranks share one GPU, which leaves
/// NCCL nothing to do. Throws UserError when NCCL was asked for and cannot be had.
TransportChoice choose_transport(TransportKind asked, const TransportSetting& setting);

}  // namespace harmofl
