// SPDX-License-Identifier: Apache-2.0
/// Named parts of the work, for a tool that shows when they were (NVIDIA Nsight).
#pragma once

namespace harmofl {

/// Who is told of the begin and the end of ranges. Null: nobody.
struct RangeHooks {
  void (*begin)(const char* name) = nullptr;
  void (*end)() = nullptr;
};

/// Tells `hooks` of all ranges from now on, or nobody. While no range is open.
void set_range_hooks(RangeHooks hooks);

/// A range from its construction to its end, on this thread; they nest. Nothing where nobody is
/// told, as in every run without a GPU.
class Range {
 public:
  explicit Range(const char* name);
  ~Range();
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

}  // namespace harmofl
