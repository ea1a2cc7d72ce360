// SPDX-License-Identifier: Apache-2.0
/// Whose operations compute what a model does, `model.kernels`.
#pragma once

#include <cstdint>

namespace harmofl {

enum class Kernels : std::uint8_t {
  own,       ///< Those of src/kernels wherever one takes the tensors, which are the CPU's.
  libtorch,  ///< libtorch's alone, as on GPUs.
};

/// What the calling thread computes with: `own`, but within a scope.
Kernels kernels_in_use();

/// While it lives, networks that the calling thread runs forward compute with `kernels`. A backward
/// pass computes with those of its forward pass, in any scope.
class KernelScope {
 public:
  explicit KernelScope(Kernels kernels);
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

 private:
  const Kernels before_;
};

}  // namespace harmofl
