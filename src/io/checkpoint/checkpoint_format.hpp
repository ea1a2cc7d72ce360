// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: what the reader and the writer of checkpoints share.
#pragma once

#include "base/checksum.hpp"
#include "io/checkpoint/checkpoint.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace harmofl::checkpoint_format {

inline constexpr std::int64_t version = 1;
inline constexpr const char* remedy =
    "Resume from another checkpoint of the run, or start the run anew.";

/// Dataset of the network, where it is the user's own.
inline constexpr const char* script = "/script";

/// Checksum of a tensor's values, as stored in attribute `xxh3`.
inline std::string values_checksum(const NamedTensor& tensor) {
  return checksum(std::as_bytes(std::span(tensor.values)));
}

}  // namespace harmofl::checkpoint_format
