// SPDX-License-Identifier: Apache-2.0
#include "base/range.hpp"

#include <algorithm>
#include <array>

namespace harmofl {
namespace {

std::array<RangeHooks, 2> listeners;  ///< By RangeListener.
thread_local ThreadRole own_role;

}  // namespace

void set_range_hooks(RangeListener listener, RangeHooks hooks) {
  listeners[static_cast<std::size_t>(listener)] = hooks;
  detail::ranges_are_told =
      std::ranges::any_of(listeners, [](const RangeHooks& told) { return told.begin != nullptr; });
}

void set_thread_role(ThreadRole role) { own_role = role; }

ThreadRole thread_role() { return own_role; }

namespace detail {

void begin_range(const char* name, const RangeNote& note) {
  for (const RangeHooks& told : listeners) {
    if (told.begin != nullptr) told.begin(name, note);
  }
}

void end_range() {
  for (const RangeHooks& told : listeners) {
    if (told.end != nullptr) told.end();
  }
}

}  // namespace detail
}  // namespace harmofl
