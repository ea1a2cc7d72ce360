// SPDX-License-Identifier: Apache-2.0
/// A module of bare parameters, for what works on the flat buffer alone.
#pragma once

#include "harmofl/base/text.hpp"
#include "harmofl/model/parameter_vector.hpp"

#include <torch/nn/module.h>

#include <cstdint>
#include <vector>

namespace harmofl::test {

/// One-dimensional parameters p0, p1, ... of the given lengths, all zero.
struct FlatModule : torch::nn::Module {
  explicit FlatModule(const std::vector<std::int64_t>& lengths) {
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      register_parameter(concat("p", i), torch::zeros({lengths[i]}));
    }
  }
};

/// Makes `values` the parameters of `w`.
inline void set_parameters(ParameterVector& w, const torch::Tensor& values) {
  torch::NoGradGuard no_grad;
  w.parameters().copy_(values);
}

}  // namespace harmofl::test
