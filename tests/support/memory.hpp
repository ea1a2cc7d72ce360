// SPDX-License-Identifier: Apache-2.0
/// How much memory something takes.
#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <string>

namespace harmofl::test {

/// The entry `name` of /proc/self/status, in bytes.
inline std::int64_t memory_entry(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::int64_t kibibytes = 0;
    if (word == name + ":" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

/// By how much the memory of this process grew at its largest while `action` ran, in bytes.
inline std::int64_t memory_growth(const std::function<void()>& action) {
  std::ofstream("/proc/self/clear_refs") << "5";  // the largest so far is now what is held
  const std::int64_t before = memory_entry("VmRSS");
  action();
  return memory_entry("VmHWM") - before;
}

inline constexpr std::int64_t mebibyte = std::int64_t{1} << 20;

}  // namespace harmofl::test
