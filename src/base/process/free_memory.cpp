// SPDX-License-Identifier: Apache-2.0
#include "base/process/free_memory.hpp"

#include <fstream>
#include <iterator>
#include <sstream>
#include <unistd.h>

namespace harmofl {

std::int64_t held_memory_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, resident = 0;
  statm >> size >> resident;
  return statm ? resident * sysconf(_SC_PAGESIZE) : 0;
}

std::int64_t available_memory_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  return available_in({std::istreambuf_iterator<char>(meminfo), {}});
}

std::int64_t available_in(const std::string& meminfo) {
  constexpr std::int64_t unit = 1024;  // "kB"
  std::istringstream lines(meminfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t value = 0;
    if (words >> name >> value && name == "MemAvailable:") return value * unit;
  }
  return 0;
}

}  // namespace harmofl
