// SPDX-License-Identifier: Apache-2.0
#include "base/range.hpp"

namespace harmofl {
namespace {
RangeHooks told;
}

void set_range_hooks(RangeHooks hooks) { told = hooks; }

Range::Range(const char* name) {
  if (told.begin != nullptr) told.begin(name);
}

Range::~Range() {
  if (told.end != nullptr) told.end();
}

}  // namespace harmofl
