// SPDX-License-Identifier: Apache-2.0
/// The form in which tensors enter and leave files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

/// A float32 tensor on the host, row-major, with a name.
struct NamedTensor {
  std::string name;
  std::string role;                 ///< "parameter", "buffer", or "" for other state.
  std::vector<std::int64_t> shape;  ///< Empty for a scalar.
  std::vector<float> values;
};

}  // namespace harmofl
