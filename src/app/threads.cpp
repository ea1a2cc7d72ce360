// SPDX-License-Identifier: Apache-2.0
#include "app/threads.hpp"

#include "base/log.hpp"

#include <sched.h>
#include <torch/utils.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <unistd.h>

namespace harmofl {
namespace {

/// The ranks of one host, by rank.
using Neighbours = std::vector<RankCores>;

/// Ranks by host, hosts in the order of their lowest rank.
std::vector<Neighbours> by_host(const std::vector<RankCores>& ranks) {
  std::vector<Neighbours> hosts;
  std::map<std::string, std::size_t> known;
  for (const RankCores& rank : ranks) {
    const auto [host, is_new] = known.try_emplace(rank.host, hosts.size());
    if (is_new) hosts.emplace_back();
    hosts[host->second].push_back(rank);
  }
  return hosts;
}

int total_threads(const Neighbours& host) {
  int total = 0;
  for (const RankCores& rank : host) total += rank.threads;
  return total;
}

int max_threads(const Neighbours& host) {
  return std::ranges::max_element(host, {}, &RankCores::threads)->threads;
}

int cores_of_all(const Neighbours& host) {
  std::set<int> cores;
  for (const RankCores& rank : host) cores.insert(rank.cores.begin(), rank.cores.end());
  return static_cast<int>(cores.size());
}

bool has_too_few_cores(const RankCores& rank) {
  return rank.threads > static_cast<int>(rank.cores.size());
}

bool is_oversubscribed(const Neighbours& host) {
  return total_threads(host) > cores_of_all(host) || std::ranges::any_of(host, has_too_few_cores);
}

/// True when every rank may use the cores of every other.
bool is_unbound(const Neighbours& host) {
  return host.size() > 1 && std::ranges::all_of(host, [&](const RankCores& rank) {
           return rank.cores == host.front().cores;
         });
}

/// How to give each rank of this host cores of its own.
std::string binding_options(const Neighbours& host) {
  const int threads = max_threads(host);
  return concat("`mpirun --map-by slot:PE=", threads,
                " --bind-to core` or `srun --cpus-per-task=", threads, " --cpu-bind=cores`");
}

std::string explain_oversubscription(const Neighbours& host) {
  const int threads = total_threads(host);
  const int cores = cores_of_all(host);
  const std::string problem =
      concat(host.size(), " rank(s) with ", threads, " thread(s) in all share ", cores,
             " core(s) of ", host.front().host);
  if (threads <= host.front().host_cores) {
    return concat(
        problem, ", which has ", host.front().host_cores, ": the launcher bound them to ",
        "too few. Give each rank as many cores as it has threads: ", binding_options(host), ".");
  }
  const int fair = std::max(1, cores / static_cast<int>(host.size()));
  const std::string fewer_threads =
      max_threads(host) > fair ? concat(", or fewer threads (--device.threads ", fair, "),") : "";
  return concat(problem, ", and wait for one another. Fewer ranks (each hosts several clients)",
                fewer_threads, " are faster.");
}

int positive_number(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::max(0, std::atoi(text));
}

/// True when OpenMP binds threads itself, from the start: the first thread then sees the one core
/// that it was given, not those of the process.
bool openmp_binds() {
  const char* policy = std::getenv("OMP_PROC_BIND");
  return (policy != nullptr && std::string(policy) != "false") ||
         std::getenv("GOMP_CPU_AFFINITY") != nullptr;
}

ThreadWishes wishes_of(const RunOptions& run) {
  ThreadWishes wishes;
  wishes.configured = static_cast<int>(run.threads);
  wishes.exact = run.simulation.reduction == Reduction::exact;
  // Not libtorch's own number, which MKL limits to the cores. "4,2" is 4 here: the outer level.
  wishes.omp = positive_number("OMP_NUM_THREADS");
  if (wishes.omp == 0 && openmp_binds()) wishes.omp = torch::get_num_threads();
  wishes.slurm_cpus_task = positive_number("SLURM_CPUS_PER_TASK");
  return wishes;
}

std::vector<RankCores> gather_cores(const Communicator& comm) {
  const auto hosts = comm.all_gather(comm.host());
  const auto host_cores = comm.all_gather_value(static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  const auto cores = comm.all_gather(usable_cores());
  std::vector<RankCores> ranks;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    ranks.push_back({hosts[i], host_cores[i], cores[i], 1});
  }
  return ranks;
}

}  // namespace

std::vector<int> usable_cores() {
  std::vector<int> cores;
  // The kernel refuses a set that is smaller than its own, whose size cannot be asked for.
  for (int size = 1024; cores.empty() && size <= 1 << 20; size *= 2) {
    const std::size_t bytes = CPU_ALLOC_SIZE(size);
    cpu_set_t* set = CPU_ALLOC(size);
    if (set != nullptr && sched_getaffinity(0, bytes, set) == 0) {
      for (int core = 0; core < size; ++core) {
        if (CPU_ISSET_S(core, bytes, set)) cores.push_back(core);
      }
    }
    CPU_FREE(set);
  }
  if (cores.empty()) cores.push_back(0);
  return cores;
}

int threads_for(const ThreadWishes& wishes, const std::vector<RankCores>& ranks, std::size_t rank) {
  if (wishes.configured > 0) return wishes.configured;
  // libtorch splits sums by its number of threads: another number, other last bits.
  if (wishes.exact) return 1;
  if (wishes.omp > 0) return wishes.omp;
  if (wishes.slurm_cpus_task > 0) return wishes.slurm_cpus_task;
  double part = 1e-9;  // three thirds are a whole
  for (const int core : ranks[rank].cores) {
    part +=
        1.0 / static_cast<double>(std::ranges::count_if(ranks, [&](const RankCores& other) {
          return other.host == ranks[rank].host && std::ranges::binary_search(other.cores, core);
        }));
  }
  return std::max(1, static_cast<int>(part));
}

std::string oversubscription(const std::vector<RankCores>& ranks) {
  for (const Neighbours& host : by_host(ranks)) {
    if (is_oversubscribed(host)) return explain_oversubscription(host);
  }
  return {};
}

std::string pinning_advice(const std::vector<RankCores>& ranks) {
  for (const Neighbours& host : by_host(ranks)) {
    if (!is_unbound(host) || is_oversubscribed(host)) continue;
    return concat("the ", host.size(), " ranks of ", host.front().host, " are not bound and share ",
                  cores_of_all(host),
                  " cores. To give each cores of its own: ", binding_options(host), ".");
  }
  return {};
}

void choose_threads(const RunOptions& run, const Communicator& comm) {
  std::vector<RankCores> ranks = gather_cores(comm);
  const auto self = static_cast<std::size_t>(comm.rank().value());
  torch::set_num_threads(threads_for(wishes_of(run), ranks, self));
  const std::vector<int> threads = comm.all_gather_value(torch::get_num_threads());
  for (std::size_t i = 0; i < ranks.size(); ++i) ranks[i].threads = threads[i];
  if (!comm.is_root() || openmp_binds()) return;
  if (const std::string text = oversubscription(ranks); !text.empty()) log::warn_once(text);
  if (const std::string text = pinning_advice(ranks); !text.empty()) log::info(text);
}

}  // namespace harmofl
