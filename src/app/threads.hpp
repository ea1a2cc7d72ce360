// SPDX-License-Identifier: Apache-2.0
/// How many threads each rank computes with, and whether they have cores to run on.
#pragma once

#include "app/config/run_options.hpp"
#include "comm/communicator.hpp"

#include <string>
#include <vector>

namespace harmofl {

/// What one rank computes with.
struct RankCores {
  std::string host;
  int host_cores = 1;      ///< Cores of the whole host, whether this rank may use them or not.
  std::vector<int> cores;  ///< Cores that this rank may use, ascending.
  int threads = 1;
};

/// What asks for a number of threads; 0 where nothing does.
struct ThreadWishes {
  int configured = 0;       ///< device.threads
  bool exact = false;       ///< comm.reduce = exact: the bits must not depend on the layout.
  int omp = 0;              ///< Threads by OMP_NUM_THREADS.
  int slurm_cpus_task = 0;  ///< SLURM_CPUS_PER_TASK
};

/// Cores that this process may use: its affinity, which launcher and scheduler set.
std::vector<int> usable_cores();

/// Threads for rank `rank` of `ranks` (all of the job): the first wish, in the order of
/// ThreadWishes
/// (`exact` wishes for one); else its part of its cores, each core counted in equal parts for the
/// ranks of the host that may use it. At least 1.
int threads_for(const ThreadWishes& wishes, const std::vector<RankCores>& ranks, std::size_t rank);

/// Says of the first host that has fewer cores for its ranks than they have threads what is wrong
/// and what to do about it; "" when there is none.
std::string oversubscription(const std::vector<RankCores>& ranks);

/// Says of the first host whose ranks are not bound to cores of their own, though it has enough, by
/// which options of mpirun and srun they would be; "" when there is none.
std::string pinning_advice(const std::vector<RankCores>& ranks);

/// Makes libtorch compute with the threads that this rank should have, and says on the first rank
/// what is wrong with their cores. Collective.
void choose_threads(const RunOptions& run, const Communicator& comm);

}  // namespace harmofl
