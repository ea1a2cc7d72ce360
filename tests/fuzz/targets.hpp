// SPDX-License-Identifier: Apache-2.0
/// What is fuzzed: each target reads its input as the program reads a file of that kind.
///
/// A target returns or throws an Error (a message for the user). Anything else is a finding:
/// another exception, a signal, a sanitizer's report, memory beyond the limit.
#pragma once

#include <string_view>

#define HARMOFL_FUZZ_TARGETS(X) \
  X(bmp)                        \
  X(checkpoint)                 \
  X(csv)                        \
  X(fleet)                      \
  X(ini)                        \
  X(jpeg)                       \
  X(json)                       \
  X(list)                       \
  X(metadata)                   \
  X(nifti)                      \
  X(npz)                        \
  X(outlines)                   \
  X(partition)                  \
  X(pickle)                     \
  X(png)                        \
  X(safetensors)                \
  X(shard)                      \
  X(tiff)                       \
  X(torch)

namespace harmofl::fuzz {

#define HARMOFL_DECLARE_FUZZ_TARGET(name) void name(std::string_view input);
HARMOFL_FUZZ_TARGETS(HARMOFL_DECLARE_FUZZ_TARGET)
#undef HARMOFL_DECLARE_FUZZ_TARGET

/// Throws std::logic_error, which no target may let out, unless `good`: a result of the reader is
/// wrong.
void require(bool good, const char* what);

}  // namespace harmofl::fuzz
