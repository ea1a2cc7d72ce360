// SPDX-License-Identifier: Apache-2.0
#include "model/model.hpp"

#include "base/process/memory.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/model/network.hpp"
#include "model/networks/norm.hpp"
#include "model/networks/projection.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace harmofl {

namespace {

constexpr const char* running_amplitude_name = "amp_norm.running_amp";
constexpr const char* projection_name = "projection";

std::shared_ptr<Network> make_with_projection(const NetworkOptions& options,
                                              const ProblemShape& shape, std::uint64_t seed) {
  auto network = make_network(options, shape, seed);
  if (options.projection) {
    network->register_module(projection_name,
                             std::make_shared<Projection>(network->feature_count()));
  }
  return network;
}

std::shared_ptr<Network> make_checked(const NetworkOptions& options, const ProblemShape& shape,
                                      std::uint64_t seed) {
  check_model_memory(options, shape);
  return make_with_projection(options, shape, seed);
}

/// Values of the network's parameters and buffers.
double count_values(const NetworkOptions& options, const ProblemShape& shape) {
  const auto network = make_with_projection(options, shape, 0);
  double count = 0.0;
  for (const auto& tensor : network->parameters()) count += static_cast<double>(tensor.numel());
  for (const auto& tensor : network->buffers()) count += static_cast<double>(tensor.numel());
  return count;
}

/// The same for a network that is too wide to be made. A tensor grows with the width along two of
/// its axes at most, so that their sum is a polynomial of degree two, which three small widths
/// tell.
double extrapolated_values(NetworkOptions options, const ProblemShape& shape) {
  const auto width = static_cast<double>(options.width);
  std::array<double, 3> at{};
  if (options.width <= std::ssize(at)) return count_values(options, shape);
  for (std::size_t i = 0; i < at.size(); ++i) {
    options.width = static_cast<std::int64_t>(i) + 1;
    at[i] = count_values(options, shape);
  }
  const double slope = at[1] - at[0], curvature = at[2] - 2.0 * at[1] + at[0];
  return at[0] + slope * (width - 1.0) + curvature * (width - 1.0) * (width - 2.0) / 2.0;
}

}  // namespace

double model_memory_bytes(const NetworkOptions& options, const ProblemShape& shape) {
  constexpr double copies = 3.0;
  return copies * sizeof(float) * extrapolated_values(options, shape);
}

void check_model_memory(const NetworkOptions& options, const ProblemShape& shape) {
  if (options.script || options.width <= find_network_defaults(options.name).width) return;
  const double needed = model_memory_bytes(options, shape);
  const auto memory = static_cast<double>(machine_memory_bytes());
  HARMOFL_VALIDATE(needed <= memory, "model.width = ", options.width, ": ", options.name, " takes ",
                   human_bytes(needed), " for its parameters, their gradient and the ",
                   "global model alone, but this machine has ", human_bytes(memory),
                   " of memory. Lower model.width.");
}

Model::Model(const ModelOptions& options, const ProblemShape& shape, std::uint64_t seed,
             torch::Device device)
    : Model(make_checked(options.network, shape, seed), options, shape, device) {}

Model::Model(std::shared_ptr<Network> network, const ModelOptions& options,
             const ProblemShape& shape, torch::Device device)
    : device_(device),
      channels_last_(options.channels_last),
      kernels_(options.kernels),
      precision_(options.precision),
      one_output_(has_one_output(options.network, shape)),
      amplitude_(options.amplitude, shape.channels, shape.height, shape.width, options.kernels),
      network_(std::move(network)) {
  apply_precision(precision_, device);
  const auto children = network_->named_children();  // a copy, which `head` points into
  if (const auto* head = children.find(projection_name)) {
    projection_ = std::dynamic_pointer_cast<Projection>(*head);
  }
  network_->to(device);
  std::vector<std::pair<std::string, torch::Tensor*>> trailing;
  if (amplitude_.active()) {
    amplitude_.running_amplitude() = amplitude_.running_amplitude().to(device);
    trailing.emplace_back(running_amplitude_name, &amplitude_.running_amplitude());
  }
  state_ = std::make_unique<ParameterVector>(*network_, trailing, channels_last_);
}

void Model::set_training(bool training) { network_->train(training); }

// In reduced precision the network's output becomes float32 again before any loss sees it.
torch::Tensor Model::forward(const torch::Tensor& images, torch::Tensor* features) {
  torch::Tensor logits;
  {
    const PrecisionScope precision_scope(precision_, device_);
    const KernelScope kernel_scope(kernels_);
    logits = network_->forward(
        channels_last_ ? images.contiguous(torch::MemoryFormat::ChannelsLast) : images, features);
    if (features != nullptr && projection_) *features = projection_->forward(*features);
  }
  if (features != nullptr) *features = features->to(torch::kFloat32);
  logits = logits.to(torch::kFloat32);
  return one_output_ ? at::cat({at::zeros_like(logits), logits}, 1) : logits;
}

torch::Tensor Model::features_at(const torch::Tensor& state, const torch::Tensor& images) {
  torch::NoGradGuard no_grad;
  const torch::Tensor present = state_->state().narrow(0, 0, network_count());
  const torch::Tensor own = present.clone();
  torch::Tensor features;
  present.copy_(state);
  forward(images, &features);
  present.copy_(own);
  return features;
}

void Model::set_statistics_momentum(double momentum) {
  for (const auto& module : network_->modules()) {
    if (auto* norm = module->as<Norm>()) norm->set_momentum(momentum);
  }
}

void Model::reset_statistics() {
  torch::NoGradGuard no_grad;
  for (const Slot& slot : state_->slots()) {
    if (!slot.normalization || slot.role != Role::buffer) continue;
    ParameterVector::view(state_->state(), slot)
        .fill_(slot.name.ends_with("running_var") ? 1.0 : 0.0);
  }
}

void Model::import_weights(std::vector<NamedTensor> tensors, const std::string& source) {
  const auto is_amplitude = [](const NamedTensor& tensor) {
    return tensor.name == running_amplitude_name;
  };
  std::erase_if(tensors, is_amplitude);
  std::ranges::copy_if(state_->export_tensors(), std::back_inserter(tensors), is_amplitude);
  state_->import_tensors(tensors, source);
}

bool Model::has_features() const { return network_->has_features(); }

std::int64_t Model::network_count() const {
  return amplitude_.active() ? state_->slots().back().offset : state_->state().numel();
}

std::int64_t Model::aggregated_count() const {
  return amplitude_.frozen() ? network_count() : state_->state().numel();
}

}  // namespace harmofl
