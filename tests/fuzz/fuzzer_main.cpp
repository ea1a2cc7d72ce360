// SPDX-License-Identifier: Apache-2.0
// What libFuzzer calls. Compiled once a target, whose name HARMOFL_FUZZ_TARGET is.
#include "fuzz/targets.hpp"
#include "harmofl/base/error.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    harmofl::fuzz::HARMOFL_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  } catch (const harmofl::Error&) {  // the input was refused with a message
  }
  return 0;
}
