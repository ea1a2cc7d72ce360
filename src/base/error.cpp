// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"

namespace harmofl::detail {

void contract_failed(const char* kind, const char* condition, const char* file, int line) {
  throw ContractViolation(concat(file, ":", line, ": ", kind, " broken: ", condition,
                                 ". This is a defect of harmofl; please report it."));
}

}  // namespace harmofl::detail
