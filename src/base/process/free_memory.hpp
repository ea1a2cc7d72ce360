// SPDX-License-Identifier: Apache-2.0
/// How much memory there is now.
#pragma once

#include <cstdint>
#include <string>

namespace harmofl {

/// Memory that this process holds in RAM, in bytes.
std::int64_t held_memory_bytes();

/// Memory that the processes of this machine can still take, in bytes, whatever their limits. 0
/// when the system does not say.
std::int64_t available_memory_bytes();

/// "MemAvailable" of the text of /proc/meminfo, in bytes; 0 where it has none.
std::int64_t available_in(const std::string& meminfo);

}  // namespace harmofl
