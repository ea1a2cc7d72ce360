// SPDX-License-Identifier: Apache-2.0
#include "comm/launcher.hpp"

#include "comm/communicator.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>

namespace harmofl {
namespace {

bool is_set(const char* name) { return std::getenv(name) != nullptr; }

long number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::strtol(text, nullptr, 10);
}

/// Tasks of the step that this process belongs to, else of the job; 0 without Slurm.
long slurm_tasks() {
  const long step_tasks = number_in_environment("SLURM_STEP_NUM_TASKS");
  return step_tasks > 0 ? step_tasks : number_in_environment("SLURM_NTASKS");
}

/// True when mpirun, or a PMI of srun, has told this process which rank it is.
bool has_rank() {
  constexpr std::array names{"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};
  return std::ranges::any_of(names, is_set);
}

/// The number that a variable holds, and nothing else.
std::optional<int> whole_in_environment(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  const std::string_view all = text;
  int value = 0;
  const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), value);
  const bool whole = error == std::errc() && end == all.data() + all.size() && value >= 0;
  return whole ? std::optional(value) : std::nullopt;
}

constexpr const char* remedy =
    "Start it with `mpirun` or `srun --mpi=pmix` (`srun --mpi=list` shows what this cluster has), "
    "or with `mpirun -n 1` if one rank is what you want.";

}  // namespace

void check_pmi() {
  if (!is_set("SLURM_STEP_ID") || has_rank()) return;
  const long tasks = slurm_tasks();
  const bool refuses_one_task = mpi_library_version().starts_with("Open MPI v4");
  HARMOFL_VALIDATE(tasks <= 1 && !refuses_one_task, "srun started ", tasks, " task(s) of this ",
                   "program without a PMI, by which MPI makes them the ranks of one job. ", remedy);
}

void check_launcher(const Communicator& world) {
  if (world.size() > 1 || is_set("OMPI_COMM_WORLD_SIZE")) return;
  const long tasks = slurm_tasks();
  HARMOFL_VALIDATE(tasks <= 1, "Slurm gave this job ", tasks, " tasks, but MPI sees one rank: ",
                   "the program was started without mpirun, or srun and the MPI library do not ",
                   "share a PMI, and every task would do the whole job by itself. ", remedy);
}

// Open MPI, MPICH and Intel MPI, MVAPICH2, PALS, Flux. Slurm's own counts where none of them is: an
// mpirun within a step hands the step's variable on to all of its ranks, and a batch script, which
// is no step, has one too.
std::optional<int> launched_local_rank() {
  constexpr std::array names{"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                             "MV2_COMM_WORLD_LOCAL_RANK", "PALS_LOCAL_RANKID",
                             "FLUX_TASK_LOCAL_ID"};
  std::optional<int> found;
  for (const char* const name : names) {
    if (!is_set(name)) continue;
    const std::optional<int> said = whole_in_environment(name);
    if (!said || (found && *found != *said)) return std::nullopt;
    found = said;
  }
  if (found || !is_set("SLURM_STEP_ID")) return found;
  return whole_in_environment("SLURM_LOCALID");
}

bool is_first_task() { return number_in_environment("SLURM_PROCID") == 0; }

}  // namespace harmofl
