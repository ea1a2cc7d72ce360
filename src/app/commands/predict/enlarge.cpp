// SPDX-License-Identifier: Apache-2.0
#include "app/commands/predict/enlarge.hpp"

namespace harmofl {

torch::Tensor enlarged(const torch::Tensor& said, prepare::Size size) {
  const auto places = [](std::int64_t from, std::int64_t to) {
    return (torch::arange(to, torch::kInt64) * 2 + 1).mul(from).floor_divide(2 * to);
  };
  return said.index_select(-2, places(said.size(-2), size.height))
      .index_select(-1, places(said.size(-1), size.width));
}

}  // namespace harmofl
