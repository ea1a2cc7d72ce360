// SPDX-License-Identifier: Apache-2.0
#include "base/version.hpp"

#include "harmofl_build_info.hpp"  // made by cmake/BuildInfo.cmake at every build

namespace harmofl {

const BuildInfo& build_info() {
  static const BuildInfo info{HARMOFL_VERSION, HARMOFL_GIT_COMMIT, HARMOFL_BUILD_TYPE,
                              HARMOFL_COMPILER, HARMOFL_HAS_CUDA};
  return info;
}

}  // namespace harmofl
