// SPDX-License-Identifier: Apache-2.0
#include "model/device/determinism.hpp"

#include "harmofl/base/error.hpp"

#include <ATen/Context.h>

#include <cstdlib>

namespace harmofl {
namespace {

constexpr const char* usual_workspace = ":4096:8";

}  // namespace

std::optional<std::string> cublas_workspace(const std::optional<std::string>& present) {
  if (!present) return usual_workspace;
  HARMOFL_VALIDATE(*present == usual_workspace || *present == ":16:8", cublas_workspace_name, " = ",
                   *present, ", with which cuBLAS has no fixed order of sums, but ",
                   "device.deterministic = true. Unset it, set it to ", usual_workspace,
                   ", or set --device.deterministic false.");
  return std::nullopt;
}

void apply_determinism(bool deterministic, const c10::Device& device) {
  if (!device.is_cuda()) return;
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  context.setDeterministicCuDNN(deterministic);
  context.setBenchmarkCuDNN(!deterministic);
  // No memory is read before it is written here: filling it would only take time.
  context.setDeterministicFillUninitializedMemory(false);
  if (!deterministic) return;
  const char* const present = std::getenv(cublas_workspace_name);
  const auto wanted =
      cublas_workspace(present == nullptr ? std::nullopt : std::optional<std::string>(present));
  if (wanted) setenv(cublas_workspace_name, wanted->c_str(), /*overwrite=*/1);
}

}  // namespace harmofl
