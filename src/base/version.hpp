// SPDX-License-Identifier: Apache-2.0
/// Which build this is; goes into the record of every run.
#pragma once

#include <string>

namespace harmofl {

struct BuildInfo {
  std::string version;     ///< Semantic version.
  std::string git_commit;  ///< Commit of the source tree with "-dirty" where it had changes.
  std::string build_type;  ///< CMake build type.
  std::string compiler;    ///< Name and version.
  bool cuda;               ///< Built with CUDA and NCCL.
};

/// Describes this build.
const BuildInfo& build_info();

}  // namespace harmofl
