// SPDX-License-Identifier: Apache-2.0
#include "base/process/openmp_wait.hpp"

#include "base/log.hpp"
#include "base/process/cores.hpp"
#include "harmofl/base/text.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace harmofl {
namespace {

/// Looks for work before sleeping, 12 to 50 microseconds, as long as sleeping and being woken take
/// (docs/performance.md): who waits so long before sleeping is never slower than twice the
/// better of the two. Also libgomp's own number where it knows of more threads than cores.
constexpr const char* spin_count = "1000";

bool has_own_cores() {
  return std::getenv("SLURM_JOB_ID") != nullptr ||
         std::ssize(usable_cores()) < sysconf(_SC_NPROCESSORS_ONLN);
}

bool is_chosen() {
  const char* threads = std::getenv("OMP_NUM_THREADS");
  return std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr ||
         (threads != nullptr && std::string_view(threads) == "1");
}

}  // namespace

void let_waiting_threads_sleep(char** arguments) {
  if (is_chosen() || has_own_cores()) return;
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return;  // not Linux as it is known: OpenMP waits in its own way
  setenv("GOMP_SPINCOUNT", spin_count, 1);
  execv(program.c_str(), arguments);
  log::warn_once(concat("the program could not start itself anew (", std::strerror(errno),
                        "): threads of OpenMP that wait keep their cores busy. Set ",
                        "OMP_WAIT_POLICY=passive where others need them."));
}

}  // namespace harmofl
