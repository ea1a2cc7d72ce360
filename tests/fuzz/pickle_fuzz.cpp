// SPDX-License-Identifier: Apache-2.0
#include "fuzz/targets.hpp"
#include "model/weights/torch_pickle.hpp"

namespace harmofl::fuzz {

void pickle(std::string_view input) {
  for (const auto& tensor : torch_pickle::read_state_dict(input, "data.pkl")) {
    require(tensor.shape.size() == tensor.strides.size(), "a stride a size");
  }
}

}  // namespace harmofl::fuzz
