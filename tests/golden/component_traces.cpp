// SPDX-License-Identifier: Apache-2.0
// Golden tests of single parts.
#include "fl/local/optimizer.hpp"
#include "fl/local/weight_perturbation.hpp"
#include "golden/trace.hpp"
#include "harmofl/base/text.hpp"
#include "model/measures/losses.hpp"
#include "model/measures/metrics.hpp"
#include "model/model.hpp"
#include "model/networks/densenet.hpp"

#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>

#include <cmath>

namespace harmofl::test {
namespace {

AmplitudeOptions amplitude_options(double fraction, double momentum) {
  AmplitudeOptions options;
  options.band = fraction < 0 ? Band::full : fraction == 0 ? Band::dc : Band::low;
  options.low_fraction = fraction;
  options.momentum = momentum;
  options.update_every_pass = true;
  options.record_spectrum = true;
  return options;
}

std::unique_ptr<Model> make_unet(const Trace& trace, std::int64_t height, std::int64_t width,
                                 Computation by) {
  ModelOptions options;
  options.channels_last = by.channels_last;
  options.kernels = by.kernels;
  options.network = {"unet", trace.integer("init_features"), NormKind::batch_stateless};
  options.amplitude = amplitude_options(trace.number("amp_L"), trace.number("amp_v"));
  auto model = std::make_unique<Model>(
      options, ProblemShape{Task::segmentation, 2, 3, height, width}, 0, torch::kCPU);
  model->state().import_tensors(trace.state("state"), trace.name());
  return model;
}

/// The network of a trace of densenet: that of the attributes where they are given, else the whole.
std::unique_ptr<Model> make_densenet(const Trace& trace, std::int64_t side, Computation by) {
  DenseNetOptions densenet;
  densenet.growth = trace.integer("growth_rate");
  densenet.blocks = trace.integers("block_config");
  densenet.first_channels = trace.integer("num_init_features");
  densenet.bottleneck = trace.integer("bn_size");
  ModelOptions options;
  options.channels_last = by.channels_last;
  options.kernels = by.kernels;
  options.amplitude = amplitude_options(trace.number("amp_L"), trace.number("amp_v"));
  const ProblemShape shape{Task::classification, 2, 3, side, side};
  return std::make_unique<Model>(std::make_shared<DenseNet>(densenet, shape), options, shape,
                                 torch::kCPU);
}

std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

/// The weights of the traces' README that are computed, not stored.
void set_weights_by_formula(const Trace& trace, ParameterVector& w) {
  torch::NoGradGuard no_grad;
  const auto seed = static_cast<std::uint64_t>(trace.integer("formula_seed"));
  const std::vector<std::string> names = trace.texts("param_names");
  for (std::uint64_t j = 0; j < names.size(); ++j) {
    const Slot& slot = w.slot(names[j]);
    std::int64_t fan = slot.shape.size() == 1 ? slot.count : slot.count / slot.shape.front();
    const auto scale = static_cast<float>(std::sqrt(24.0 / static_cast<double>(fan)));
    const torch::Tensor values = torch::empty({slot.count});
    auto* out = values.data_ptr<float>();
    for (std::int64_t i = 0; i < slot.count; ++i) {
      const std::uint64_t hash =
          splitmix64((seed << 48) + (j << 32) + static_cast<std::uint64_t>(i));
      out[i] = (std::ldexp(static_cast<float>(hash >> 40), -24) - 0.5F) * scale;
    }
    ParameterVector::view(w.state(), slot).copy_(values.view(slot.shape));
  }
}

torch::Tensor gradient_of(Model& model, const std::string& parameter) {
  return ParameterVector::view(model.state().gradients(), model.state().slot(parameter));
}

torch::Tensor value_of(const ParameterVector& w, const std::string& parameter) {
  return ParameterVector::view(w.state(), w.slot(parameter));
}

torch::Tensor backward(Model& model, LossKind kind, const torch::Tensor& images,
                       const torch::Tensor& targets) {
  model.state().gradients().zero_();
  const torch::Tensor value = loss(kind, model.forward(images), targets, model.kernels());
  value.backward();
  return value.detach();
}

/// Runs the batches of a trace, training first, then with a frozen amplitude in evaluation, and
/// checks what the trace has of each.
void check_network(Trace& trace, Model& model, LossKind kind) {
  const auto check = [&](const std::string& name, const auto& got, double looser = 0.0) {
    if (trace.has("expect/" + name)) trace.check(name, got, looser);
  };
  for (std::int64_t t = 0; trace.has(concat("expect/logits", t)); ++t) {
    const bool frozen = t >= trace.integer("frozen_from");
    if (frozen) model.amplitude().freeze();
    model.set_training(!frozen);
    const Batch batch = trace.batch("input", t);
    const torch::Tensor images = model.amplitude().observe(batch.images);
    const torch::Tensor logits = model.forward(images).detach();
    trace.check(concat("logits", t), logits);
    check(concat("amp", t), model.amplitude().running_amplitude());
    check(concat("ce", t), cross_entropy(logits, batch.targets).item<double>());
    if (kind == LossKind::cross_entropy_dice) {
      check(concat("diceloss", t), dice_loss(logits, batch.targets).item<double>());
      check(concat("dice_metric", t), dice_with_background(logits, batch.targets), dice_step);
    }
    trace.check(concat("loss", t), backward(model, kind, images, batch.targets).item<double>());
    if (!trace.has(concat("expect/grad", t))) continue;
    for (const std::string& name : trace.children(concat("expect/grad", t))) {
      trace.check(concat("grad", t, "/", name), gradient_of(model, name));
    }
  }
}

OptimizerOptions optimizer_options(const Trace& trace) {
  OptimizerOptions options;
  options.kind = trace.text("optimizer") == "adam" ? OptimizerKind::adam : OptimizerKind::sgd;
  options.lr = trace.number("lr");
  options.momentum = trace.has_attribute("momentum") ? trace.number("momentum") : 0.0;
  options.weight_decay = trace.number("weight_decay");
  return options;
}

/// Takes the three steps of a trace with any model: `gradient(batch)` leaves the gradient in `w`.
void check_steps(Trace& trace, ParameterVector& w,
                 const std::function<torch::Tensor(const Batch&)>& gradient) {
  const Optimizer optimizer(optimizer_options(trace));
  const PerturbationOptions perturbation{.alpha = trace.number("alpha")};
  torch::Tensor delta = torch::empty_like(w.gradients());
  NamedState state;
  for (std::int64_t step = 1; trace.has(concat("expect/step", step)); ++step) {
    const std::string group = concat("step", step, "/");
    const Batch batch = trace.batch("input", step - 1);
    trace.check(group + "loss1", gradient(batch).item<double>());
    trace.check(group + "grad_norm1", w.gradients().to(torch::kFloat64).norm().item<double>());
    perturb(w, perturbation, delta);
    if (trace.has("expect/" + group + "perturbed")) {
      for (const std::string& name : trace.children("expect/" + group + "perturbed")) {
        trace.check(group + "perturbed/" + name, value_of(w, name));
      }
    }
    trace.check(group + "loss2", gradient(batch).item<double>());
    optimizer.step(w, state, "optimizer.", delta);
    if (!trace.has("expect/" + group + "param")) continue;
    for (const std::string& name : trace.children("expect/" + group + "param")) {
      trace.check(group + "param/" + name, value_of(w, name));
    }
  }
}

}  // namespace

void check_metrics(Trace& trace, Computation by) {
  for (const std::string& group : trace.children("input")) {
    const torch::Tensor logits = trace.tensor("input/" + group + "/logits").requires_grad_();
    const torch::Tensor targets = trace.targets("input/" + group + "/labels");
    const torch::Tensor joint = loss(LossKind::cross_entropy_dice, logits, targets, by.kernels);
    joint.backward();
    trace.check(group + "/cross_entropy", cross_entropy(logits, targets).item<double>());
    trace.check(group + "/dice_loss", dice_loss(logits, targets).item<double>());
    trace.check(group + "/joint_loss", joint.item<double>());
    trace.check(group + "/joint_grad", logits.grad());
    trace.check(group + "/dice_metric", dice_with_background(logits.detach(), targets), dice_step);
  }
}

void check_amplitude(Trace& trace, Computation by) {
  const std::vector<std::string> combos = trace.texts("combos");
  const std::vector<double> fractions = trace.numbers("L");
  const std::vector<double> momenta = trace.numbers("v");
  const std::int64_t frozen_from = trace.integer("frozen_from");
  for (std::size_t c = 0; c < combos.size(); ++c) {
    for (const std::string& shape : trace.children("expect/" + combos[c])) {
      const std::string group = combos[c] + "/" + shape + "/";
      const auto first = trace.images("input/" + shape + "/x0");
      AmplitudeNormalization layer(amplitude_options(fractions[c], momenta[c]), first.size(1),
                                   first.size(2), first.size(3), by.kernels);
      for (std::int64_t t = 0; trace.has(concat("expect/", group, "y", t)); ++t) {
        if (t == frozen_from) layer.freeze();
        const torch::Tensor y = layer.observe(trace.images(concat("input/", shape, "/x", t)));
        trace.check(concat(group, "y", t), y);
        if (t < frozen_from) trace.check(concat(group, "amp", t), layer.running_amplitude());
      }
    }
  }
}

void check_unet(Trace& trace, Computation by) {
  const auto model = make_unet(trace, trace.integer("height"), trace.integer("width"), by);
  check_network(trace, *model, LossKind::cross_entropy_dice);
}

void check_densenet(Trace& trace, Computation by) {
  const auto model = make_densenet(trace, trace.images("input/x0").size(2), by);
  if (trace.has("state")) {
    model->state().import_tensors(trace.state("state"), trace.name());
  } else {
    set_weights_by_formula(trace, model->state());
  }
  trace.check("n_parameters", static_cast<double>(model->parameter_count()));
  check_network(trace, *model, LossKind::cross_entropy);
}

void check_perturbed_step(Trace& trace, Computation by) {
  if (trace.text("model").starts_with("linear")) {
    torch::nn::Module module;
    auto fc = module.register_module("fc", torch::nn::Linear(5, 3));
    ParameterVector w(module, {}, false);
    w.import_tensors(trace.state("state"), trace.name());
    check_steps(trace, w, [&](const Batch& batch) {
      w.gradients().zero_();
      const torch::Tensor value = cross_entropy(fc->forward(batch.images), batch.targets);
      value.backward();
      return value.detach();
    });
    return;
  }
  const torch::Tensor first = trace.images("input/x0");
  const bool densenet = trace.text("model") == "densenet";
  const auto model = densenet ? make_densenet(trace, first.size(2), by)
                              : make_unet(trace, first.size(2), first.size(3), by);
  if (densenet) model->state().import_tensors(trace.state("state"), trace.name());
  const LossKind loss = densenet ? LossKind::cross_entropy : LossKind::cross_entropy_dice;
  model->set_training(true);
  check_steps(trace, model->state(), [&](const Batch& batch) {
    return backward(*model, loss, model->amplitude().observe(batch.images), batch.targets);
  });
  trace.check("amp", model->amplitude().running_amplitude());
}

}  // namespace harmofl::test
