// SPDX-License-Identifier: Apache-2.0
#include "harmofl/model/parameter_vector.hpp"

#include "harmofl/base/error.hpp"
#include "model/networks/norm.hpp"

#include <torch/nn/module.h>

#include <algorithm>
#include <map>
#include <set>

namespace harmofl {
namespace {

/// Names of the modules below `module` that normalise.
std::set<std::string> norm_names(const torch::nn::Module& module) {
  std::set<std::string> names;
  for (const auto& item : module.named_modules("", /*include_self=*/false)) {
    if (item.value()->as<NormalizationLayer>() != nullptr) names.insert(item.key());
  }
  return names;
}

/// Makes `tensor` a view of `buffer` that holds the same values as before.
void move_into(torch::Tensor& tensor, const torch::Tensor& buffer, const Slot& slot) {
  torch::NoGradGuard no_grad;
  const torch::Tensor view = ParameterVector::view(buffer, slot);
  view.copy_(tensor);
  tensor.set_data(view);
}

}  // namespace

torch::Tensor ParameterVector::view(const torch::Tensor& buffer, const Slot& slot) {
  const torch::Tensor stretch = buffer.narrow(0, slot.offset, slot.count);
  if (!slot.channels_last) return stretch.view(slot.shape);
  const auto& s = slot.shape;
  return stretch.view({s[0], s[2], s[3], s[1]}).permute({0, 3, 1, 2});
}

ParameterVector::ParameterVector(
    torch::nn::Module& module, const std::vector<std::pair<std::string, torch::Tensor*>>& trailing,
    bool channels_last) {
  std::vector<std::pair<Slot, torch::Tensor>> tensors;
  const std::set<std::string> norms = norm_names(module);
  std::int64_t length = 0;
  const auto add = [&](const std::string& name, const torch::Tensor& tensor, Role role) {
    HARMOFL_EXPECT(tensor.scalar_type() == torch::kFloat32);
    const bool normalization = norms.contains(name.substr(0, name.rfind('.')));
    tensors.emplace_back(Slot{name, role, tensor.sizes().vec(), length, tensor.numel(),
                              normalization, channels_last && tensor.dim() == 4},
                         tensor);
    length += tensor.numel();
  };
  for (const auto& item : module.named_parameters()) add(item.key(), item.value(), Role::parameter);
  const std::int64_t trained = length;
  for (const auto& item : module.named_buffers()) add(item.key(), item.value(), Role::buffer);
  for (const auto& [name, tensor] : trailing) add(name, *tensor, Role::buffer);
  HARMOFL_EXPECT(!tensors.empty());

  const auto options = tensors.front().second.options().requires_grad(false);
  state_ = torch::zeros({length}, options);
  gradients_ = torch::zeros({trained}, options);
  parameters_ = state_.narrow(0, 0, trained);
  for (auto& [slot, tensor] : tensors) {
    move_into(tensor, state_, slot);
    if (slot.role == Role::parameter) tensor.mutable_grad() = view(gradients_, slot);
    slots_.push_back(slot);
  }
}

const Slot& ParameterVector::slot(const std::string& name) const {
  const auto found = std::ranges::find(slots_, name, &Slot::name);
  if (found == slots_.end()) {
    std::vector<std::string> names;
    for (const Slot& known : slots_) names.push_back(known.name);
    const std::string near = closest(name, names);
    throw UserError(concat("the model has no tensor '", name, "'.",
                           near.empty() ? "" : concat(" Did you mean '", near, "'?"),
                           " It has: ", join(names), "."));
  }
  return *found;
}

std::vector<NamedTensor> ParameterVector::export_tensors() const {
  const torch::Tensor host = state_.cpu();
  std::vector<NamedTensor> tensors;
  for (const Slot& slot : slots_) {
    const torch::Tensor values = view(host, slot).contiguous();
    const auto* data = values.const_data_ptr<float>();
    tensors.push_back({slot.name, slot.role == Role::parameter ? "parameter" : "buffer", slot.shape,
                       std::vector<float>(data, data + slot.count)});
  }
  return tensors;
}

void ParameterVector::import_tensors(const std::vector<NamedTensor>& tensors,
                                     const std::string& source) {
  std::map<std::string, const NamedTensor*> by_name;
  for (const NamedTensor& tensor : tensors) by_name[tensor.name] = &tensor;
  const torch::Tensor host = torch::empty_like(state_, torch::kCPU);
  for (const Slot& slot : slots_) {
    const auto found = by_name.find(slot.name);
    HARMOFL_VALIDATE(
        found != by_name.end(), source, ": has no tensor '", slot.name,
        "', which this model needs. Use the configuration that the file was made with.");
    const NamedTensor& tensor = *found->second;
    HARMOFL_VALIDATE(tensor.shape == slot.shape, source, ": tensor '", slot.name, "' has shape [",
                     c10::Join(", ", tensor.shape), "], but this model needs [",
                     c10::Join(", ", slot.shape), "]. Use the configuration of that file.");
    const auto values = torch::from_blob(const_cast<float*>(tensor.values.data()), slot.shape);
    view(host, slot).copy_(values);
    by_name.erase(found);
  }
  HARMOFL_VALIDATE(by_name.empty(), source, ": holds tensor '", by_name.begin()->first,
                   "', which this model does not have. Use the configuration of that file.");
  state_.copy_(host);
}

}  // namespace harmofl
