// SPDX-License-Identifier: Apache-2.0
/// Whether a GPU gives the same bits every time, `device.deterministic`. The CPU does anyway, with
/// as many threads.
#pragma once

#include <c10/core/Device.h>

#include <optional>
#include <string>

namespace harmofl {

/// The variable that says where cuBLAS puts its intermediate sums.
inline constexpr const char* cublas_workspace_name = "CUBLAS_WORKSPACE_CONFIG";

/// What that variable has to become for sums in a fixed order, where it is `present`; none where it
/// may stay. Throws UserError for a value that gives cuBLAS no fixed order.
std::optional<std::string> cublas_workspace(const std::optional<std::string>& present);

/// Makes libtorch, cuDNN and cuBLAS take algorithms that always add in the same order, and refuse
/// operations that have none; or else lets cuDNN try which of its algorithms is the fastest for
/// each size. For this process, if `device` is a GPU, and before anything is computed there. Throws
/// UserError as `cublas_workspace`.
void apply_determinism(bool deterministic, const c10::Device& device);

}  // namespace harmofl
