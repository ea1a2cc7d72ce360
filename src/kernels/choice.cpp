// SPDX-License-Identifier: Apache-2.0
#include "kernels/choice.hpp"

namespace harmofl {
namespace {
thread_local Kernels in_use = Kernels::own;
}

Kernels kernels_in_use() { return in_use; }

KernelScope::KernelScope(Kernels kernels) : before_(in_use) { in_use = kernels; }

KernelScope::~KernelScope() { in_use = before_; }

}  // namespace harmofl
