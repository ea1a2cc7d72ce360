// SPDX-License-Identifier: Apache-2.0
#include "app/threads.hpp"

#include "base/log.hpp"
#include "base/process/cores.hpp"
#include "base/process/memory.hpp"
#include "harmofl/base/error.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
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
  for (const RankCores& rank : host) total += rank.all_threads();
  return total;
}

int max_threads(const Neighbours& host) {
  return std::ranges::max_element(host, {}, &RankCores::all_threads)->all_threads();
}

int cores_of_all(const Neighbours& host) {
  std::set<int> cores;
  for (const RankCores& rank : host) cores.insert(rank.cores.begin(), rank.cores.end());
  return static_cast<int>(cores.size());
}

bool has_too_few_cores(const RankCores& rank) {
  return rank.all_threads() > static_cast<int>(rank.cores.size());
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
  const bool lanes = std::ranges::any_of(host, [](const RankCores& r) { return r.lanes > 1; });
  const std::string fewer_threads =
      max_threads(host) <= fair ? ""
      : lanes                   ? concat(", or fewer lanes times threads (", fair, " at most),")
                                : concat(", or fewer threads (--device.threads ", fair, "),");
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

CoreWishes core_wishes() {
  CoreWishes wishes;
  // Not libtorch's own number, which MKL limits to the cores. "4,2" is 4 here: the outer level.
  wishes.omp = positive_number("OMP_NUM_THREADS");
  if (wishes.omp == 0 && openmp_binds()) wishes.omp = torch::get_num_threads();
  wishes.slurm_cpus_task = positive_number("SLURM_CPUS_PER_TASK");
  return wishes;
}

LaneWishes lane_wishes(const RunOptions& run, const Federation& federation,
                       const Communicator& comm) {
  const SimulationOptions& s = run.simulation;
  LaneWishes wishes{.lanes = static_cast<int>(run.lanes),
                    .threads = static_cast<int>(run.threads),
                    .exact = s.reduction == Reduction::exact,
                    .gpu = run.device == DeviceType::cuda,
                    .clients = clients_at_once(s, federation.size(), comm.size())};
  if (openmp_binds()) wishes.clients = 1;  // all lanes would be bound to the first one's core
  const bool measured = wishes.clients > 1 || wishes.lanes > 1;
  if (measured && !s.model.network.script) {
    wishes.fitting = lanes_that_fit(model_memory_bytes(s.model.network, federation.shape),
                                    static_cast<double>(machine_memory_bytes()), comm.local_size());
  }
  return wishes;
}

/// Refuses lanes whose models alone are larger than the machine's memory.
void check_lane_memory(const LaneWishes& wishes) {
  HARMOFL_VALIDATE(wishes.gpu || wishes.lanes <= std::max<std::int64_t>(1, wishes.fitting),
                   "device.lanes = ", wishes.lanes, ": this machine has memory for the models of ",
                   wishes.fitting, " lane(s) a rank. Lower device.lanes or model.width.");
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

int cores_for(const CoreWishes& wishes, const std::vector<RankCores>& ranks, std::size_t rank) {
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

LanesAndThreads lanes_and_threads(const LaneWishes& wishes, int cores) {
  // libtorch splits sums by its number of threads: another number, other last bits.
  const int threads = wishes.threads > 0 ? wishes.threads : wishes.exact ? 1 : 0;
  std::int64_t lanes = wishes.lanes;
  if (lanes == 0 && wishes.gpu) lanes = 1;
  if (lanes == 0) lanes = std::min<std::int64_t>(wishes.clients, cores / std::max(1, threads));
  if (wishes.lanes == 0) lanes = std::max<std::int64_t>(1, std::min(lanes, wishes.fitting));
  const int count = static_cast<int>(lanes);
  return {count, threads > 0 ? threads : std::max(1, cores / count)};
}

std::int64_t clients_at_once(const SimulationOptions& run, std::int64_t clients,
                             std::int64_t ranks) {
  const bool one = run.model.network.script || run.local.pieces > 1 ||
                   make_algorithm(run.algorithm, run.algorithm_values)->sequential();
  if (one) return 1;
  return std::max<std::int64_t>(1, (invited_count(run.cohort, clients) + ranks - 1) / ranks);
}

// A further lane has a model and a gradient of its own; the global model is there once.
std::int64_t lanes_that_fit(double model_bytes, double memory_bytes, std::int64_t neighbours) {
  const double own = memory_bytes / static_cast<double>(neighbours);
  const double further = std::floor((own - model_bytes) / (model_bytes * 2.0 / 3.0));
  constexpr double most = 32767.0;  // what device.lanes takes
  return 1 + static_cast<std::int64_t>(std::clamp(further, 0.0, most - 1.0));
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

int choose_lanes_and_threads(const RunOptions& run, const Federation& federation,
                             const Communicator& comm) {
  std::vector<RankCores> ranks = gather_cores(comm);
  const auto self = static_cast<std::size_t>(comm.rank().value());
  LanesAndThreads own;
  comm.agree([&] {
    const LaneWishes wishes = lane_wishes(run, federation, comm);
    check_lane_memory(wishes);
    own = lanes_and_threads(wishes, cores_for(core_wishes(), ranks, self));
  });
  torch::set_num_threads(own.threads);
  const std::vector<int> threads = comm.all_gather_value(torch::get_num_threads());
  const std::vector<int> lanes = comm.all_gather_value(own.lanes);
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    ranks[i].threads = threads[i];
    ranks[i].lanes = lanes[i];
  }
  if (!comm.is_root()) return own.lanes;
  if (openmp_binds()) {
    if (own.lanes > 1) {
      log::warn_once(concat("OMP_PROC_BIND or GOMP_CPU_AFFINITY binds the first thread of a rank ",
                            "to one core, which its ", own.lanes, " lanes then share. Unset it, ",
                            "and let the launcher bind."));
    }
    return own.lanes;
  }
  if (const std::string text = oversubscription(ranks); !text.empty()) log::warn_once(text);
  if (const std::string text = pinning_advice(ranks); !text.empty()) log::info(text);
  return own.lanes;
}

}  // namespace harmofl
