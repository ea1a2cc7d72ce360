// SPDX-License-Identifier: Apache-2.0
/// How the process asks the system for memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace harmofl {

/// Keeps freed memory for the next allocation instead of giving it back to the system. Training
/// frees and asks for the same tensors at every step; by default glibc maps and unmaps the large
/// ones each time, and the kernel clears every page anew (a quarter of the time of a U-Net of width
/// 8 on 3x128x128). The process then stays as large as it once was. Does nothing without glibc and
/// where the environment has a MALLOC_ setting of its own. To be called before the first thread.
void keep_freed_memory();

/// Most memory that this process held in RAM so far, in bytes.
std::int64_t peak_memory_bytes();

/// RAM that this process may use, in bytes: the machine's, or less where its control group has a
/// limit (a Slurm job, a container). The largest number when the system does not say.
std::int64_t machine_memory_bytes();

/// Lowest memory limit, in bytes, of a process's control groups and of those that they lie in.
/// `groups` is the text of /proc/PID/cgroup, `mount` where the groups are shown as folders: of
/// version 2 there is one, of version 1 one a resource. None without a limit.
std::optional<std::int64_t> control_group_memory(const std::string& groups,
                                                 const std::filesystem::path& mount);

}  // namespace harmofl
