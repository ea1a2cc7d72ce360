// SPDX-License-Identifier: Apache-2.0
#include "base/process/memory.hpp"

#include "harmofl/base/number_text.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace harmofl {
namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The limit that a file of a control group holds; none of "max" and where there is no such file.
std::optional<std::int64_t> limit_in(const std::filesystem::path& file) {
  std::string text = text_of(file);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return parse_whole(text);
}

}  // namespace

void keep_freed_memory() {
#ifdef __GLIBC__
  for (const char* name : {"MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"}) {
    if (std::getenv(name) != nullptr) return;
  }
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
  mallopt(M_TOP_PAD, 64 << 20);   // bytes
#endif
}

std::int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

std::int64_t machine_memory_bytes() {
  const auto limit = control_group_memory(text_of("/proc/self/cgroup"), "/sys/fs/cgroup")
                         .value_or(std::numeric_limits<std::int64_t>::max());
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return limit;
  return std::min(limit, std::int64_t{pages} * page_bytes);
}

std::optional<std::int64_t> control_group_memory(const std::string& groups,
                                                 const std::filesystem::path& mount) {
  std::optional<std::int64_t> lowest;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {  // number:resources:path
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string resources = line.substr(first + 1, second - first - 1);
    if (!resources.empty() && resources != "memory") continue;
    const auto top = resources.empty() ? mount : mount / "memory";
    const char* const name = resources.empty() ? "memory.max" : "memory.limit_in_bytes";
    std::filesystem::path group = std::filesystem::path(line.substr(second + 1)).relative_path();
    for (;; group = group.parent_path()) {
      const auto limit = limit_in(top / group / name);
      if (limit && (!lowest || *limit < *lowest)) lowest = limit;
      if (group.empty()) break;
    }
  }
  return lowest;
}

}  // namespace harmofl
