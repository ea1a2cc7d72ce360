// SPDX-License-Identifier: Apache-2.0
/// Short hashes of tensors, by which runs are compared tensor by tensor.
#pragma once

#include "base/checksum.hpp"
#include "harmofl/model/parameter_vector.hpp"

#include <torch/types.h>

#include <string>
#include <vector>

namespace harmofl {

/// A hash of the values of a tensor, row-major and little endian, as 16 hexadecimal digits: the
/// first 64 bits of their XXH3 checksum of 128 bits. Of float32 values these are the first digits
/// of what a checkpoint stores with the tensor (attribute `xxh3`). Neither the tensor's shape nor
/// how it lies in memory changes it; on a GPU it is copied to the host.
std::string fingerprint(const torch::Tensor& values);

/// The fingerprint of each tensor of `state`, float32 [N] in the layout of `slots`, in their order.
std::vector<std::string> fingerprints(const torch::Tensor& state, const std::vector<Slot>& slots);

/// The fingerprint of several tensors, one after the other.
class RunningFingerprint {
 public:
  void add(const torch::Tensor& values);
  std::string text() const;

 private:
  Checksum sum_;
};

}  // namespace harmofl
