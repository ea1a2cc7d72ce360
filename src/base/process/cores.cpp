// SPDX-License-Identifier: Apache-2.0
#include "base/process/cores.hpp"

#include <sched.h>

#include <cstddef>

namespace harmofl {

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

}  // namespace harmofl
