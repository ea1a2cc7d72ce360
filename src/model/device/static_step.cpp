// SPDX-License-Identifier: Apache-2.0
#include "model/device/static_step.hpp"

#include "harmofl/base/error.hpp"

namespace harmofl {

void StaticStep::keep(const StepBatch& batch) {
  const torch::NoGradGuard no_grad;
  const bool alike = batch.second.is_same(batch.first);
  if (!batch_.first.defined()) {
    batch_.first = torch::empty_like(batch.first);
    batch_.second = alike ? batch_.first : torch::empty_like(batch.second);
    batch_.targets = torch::empty_like(batch.targets);
    result_ = torch::zeros({}, batch.first.options());
  }
  const bool shared = batch_.second.is_same(batch_.first);
  HARMOFL_EXPECT(batch.first.sizes() == batch_.first.sizes() &&
                 batch.targets.sizes() == batch_.targets.sizes() && (alike || !shared));
  batch_.first.copy_(batch.first);
  if (!shared) batch_.second.copy_(batch.second);
  batch_.targets.copy_(batch.targets);
}

void StaticStep::run(const Recorder::Work& work) {
  const torch::Tensor scalar = work(batch_);
  const torch::NoGradGuard no_grad;
  result_.copy_(scalar);
}

}  // namespace harmofl
