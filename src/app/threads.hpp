// SPDX-License-Identifier: Apache-2.0
/// How many clients each rank trains at the same time and with how many threads, and whether they
/// have cores to run on.
#pragma once

#include "app/config/run_options.hpp"
#include "comm/communicator.hpp"
#include "fl/clients/federation.hpp"

#include <string>
#include <vector>

namespace harmofl {

/// What one rank computes with.
struct RankCores {
  std::string host;
  int host_cores = 1;      ///< Cores of the whole host, whether this rank may use them or not.
  std::vector<int> cores;  ///< Cores that this rank may use, ascending.
  int threads = 1;         ///< Threads of a lane.
  int lanes = 1;

  int all_threads() const { return lanes * threads; }
};

/// What says how many cores a rank is to use; 0 where nothing does.
struct CoreWishes {
  int omp = 0;              ///< Threads by OMP_NUM_THREADS.
  int slurm_cpus_task = 0;  ///< SLURM_CPUS_PER_TASK
};

/// Cores for rank `rank` of `ranks` (all of the job): the first wish, in the order of CoreWishes;
/// else its part of its cores, each core counted in equal parts for the ranks of the host that may
/// use it. At least 1.
int cores_for(const CoreWishes& wishes, const std::vector<RankCores>& ranks, std::size_t rank);

/// What a rank's lanes and threads depend on beside its cores.
struct LaneWishes {
  int lanes = 0;       ///< device.lanes; 0 chooses.
  int threads = 0;     ///< device.threads; 0 chooses.
  bool exact = false;  ///< comm.reduce = exact: the bits must not depend on the layout.
  bool gpu = false;    ///< The rank computes on a GPU.
  /// Clients of the rank in a round that can be trained at the same time; 1 where none can.
  std::int64_t clients = 1;
  std::int64_t fitting = 1;  ///< Lanes whose models fit in memory.
};

struct LanesAndThreads {
  int lanes = 1;
  int threads = 1;  ///< Of each lane.

  bool operator==(const LanesAndThreads&) const = default;
};

/// How a rank uses `cores` cores. What is asked for is taken; else lanes come first, as many as
/// there are clients, cores and models that fit: lanes do not wait for each other within a step, so
/// that beside other work they lose no more than their cores, where threads of one step wait for
/// the slowest of them. Threads take cores that no client is left for, and one with `exact`, whose
/// bits are those of any number of ranks. On a GPU one lane: what more of them gain is not known.
LanesAndThreads lanes_and_threads(const LaneWishes& wishes, int cores);

/// Clients of a rank that can be trained at the same time in a round, where `ranks` share out what
/// `run` trains; 1 where one after the other is all that the method or the network allows.
std::int64_t clients_at_once(const SimulationOptions& run, std::int64_t clients,
                             std::int64_t ranks);

/// Lanes that fit in `memory_bytes`, where a rank alone takes `model_bytes` for its model, gradient
/// and global model, and `neighbours` ranks share the memory. At least 1.
std::int64_t lanes_that_fit(double model_bytes, double memory_bytes, std::int64_t neighbours);

/// Says of the first host that has fewer cores for its ranks than they have threads what is wrong
/// and what to do about it; "" when there is none.
std::string oversubscription(const std::vector<RankCores>& ranks);

/// Says of the first host whose ranks are not bound to cores of their own, though it has enough, by
/// which options of mpirun and srun they would be; "" when there is none.
std::string pinning_advice(const std::vector<RankCores>& ranks);

/// Makes libtorch compute with the threads that this rank should have, and returns the lanes that
/// it should; says on the first rank what is wrong with their cores. Throws UserError for lanes
/// whose models this machine has no memory for. Collective.
int choose_lanes_and_threads(const RunOptions& run, const Federation& federation,
                             const Communicator& comm);

}  // namespace harmofl
