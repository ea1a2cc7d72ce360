// SPDX-License-Identifier: Apache-2.0
/// Named parts of the work, for what shows when they were: NVIDIA Nsight, the trace of a run.
#pragma once

#include <cstdint>
#include <string_view>

namespace harmofl {

/// What tells a range from others of its name: the client "north", 4096 bytes.
struct RangeNote {
  constexpr RangeNote() = default;
  /// `name` lives as long as the program; `value` and the number need to live as long as the call.
  constexpr RangeNote(const char* name, std::string_view value) : key(name), text(value) {}
  constexpr RangeNote(const char* name, std::int64_t value) : key(name), number(value) {}

  const char* key = nullptr;  ///< Null: there is nothing to tell.
  std::string_view text = {};
  std::int64_t number = 0;  ///< The value where the text is empty.
};

/// Who is told of the begin and the end of ranges. Null: nobody.
struct RangeHooks {
  void (*begin)(const char* name, const RangeNote& note) = nullptr;
  void (*end)() = nullptr;
};

enum class RangeListener { nsight, trace };

/// Tells `hooks` of all ranges from now on, or nobody in the listener's place. While only the
/// calling thread has ranges; those that are open then end for those who were told of their begin.
void set_range_hooks(RangeListener listener, RangeHooks hooks);

namespace detail {
inline bool ranges_are_told = false;
void begin_range(const char* name, const RangeNote& note);
void end_range();
}  // namespace detail

/// A range from its construction to its end, on this thread; they nest. One branch where nobody is
/// told, as in a run without a trace and a GPU.
class Range {
 public:
  explicit Range(const char* name, const RangeNote& note = {}) : told_(detail::ranges_are_told) {
    if (told_) [[unlikely]] {
      detail::begin_range(name, note);
    }
  }
  ~Range() {
    if (told_) [[unlikely]] {
      detail::end_range();
    }
  }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

 private:
  const bool told_;
};

/// What a thread does, for those who are told of its ranges.
struct ThreadRole {
  const char* name = "thread";  ///< Lives as long as the program.
  std::int64_t number = 0;      ///< Of those with one role; 0: they are numbered as they come.
};

/// Says it of the calling thread.
void set_thread_role(ThreadRole role);
ThreadRole thread_role();

}  // namespace harmofl
