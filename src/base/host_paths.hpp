// SPDX-License-Identifier: Apache-2.0
/// Where the program treats tensors in host memory in a way of their own.
#pragma once

namespace harmofl {

/// Whether tensors in host memory are worked on by loops and kernels of this program and read where
/// they lie: always, but while a GpuPaths lives. Every test for host memory that only saves time
/// asks this too.
bool host_paths_in_use();

/// While it lives, tensors in host memory take the paths that those of a GPU take, on all threads:
/// for tests, which so try these paths without one.
class GpuPaths {
 public:
  GpuPaths();
  ~GpuPaths();
  GpuPaths(const GpuPaths&) = delete;
  GpuPaths& operator=(const GpuPaths&) = delete;
};

}  // namespace harmofl
