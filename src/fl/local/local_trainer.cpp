// SPDX-License-Identifier: Apache-2.0
#include "fl/local/local_trainer.hpp"

#include "base/timer.hpp"
#include "harmofl/base/error.hpp"

#include <utility>

namespace harmofl {
namespace {

std::optional<Batch> next_batch(BatchStream& batches, double& seconds) {
  const Stopwatch watch;
  std::optional<Batch> batch = batches.next();
  seconds += watch.elapsed_s();
  return batch;
}

}  // namespace

void check_graphs(const LocalOptions& options, bool plain_gradient) {
  if (!options.graphs) return;
  HARMOFL_VALIDATE(plain_gradient, "device.graphs = true records the gradient of the ",
                   "loss alone, but this method adds to it in every step. Set --device.graphs ",
                   "false, or take a method that leaves the local objective as it is (fedavg, ",
                   "fedbn, fedsam, harmofl, ...).");
}

LocalTrainer::LocalTrainer(Model& model, Algorithm& algorithm, const LocalOptions& options,
                           std::unique_ptr<Recorder> recorder)
    : model_(model),
      algorithm_(algorithm),
      options_(options),
      optimizer_(options.optimizer),
      recorder_(recorder
                    ? std::move(recorder)
                    : make_recorder(options.graphs, model.device(), options.batches.batch_size)) {
  options_.batches.format = model.memory_format();
  check(options.perturbation);
  check_graphs(options, algorithm.plain_gradient());
  if (options.perturbation.alpha > 0.0) delta_ = torch::empty_like(model.state().gradients());
}

ClientReport LocalTrainer::train(const ClientData& data, const RoundContext& context,
                                 NamedState& client, const NamedState& server,
                                 const torch::Tensor& start) {
  const Samples& samples = data.split(Split::train);
  HARMOFL_VALIDATE(samples.count() > 0, "site ", data.site, " has no training samples. ",
                   "Remove its shard from data.shards or prepare it with another --split.");
  model_.set_training(true);
  model_.amplitude().begin_client();
  ClientWork work = begin(client, server, start);
  ClientReport report;
  for (std::int64_t epoch = 0; epoch < options_.local_epochs; ++epoch) {
    const Stopwatch watch;
    BatchStream batches = open(samples, context, epoch);
    report.input_s += watch.elapsed_s();
    while (const auto batch = next_batch(batches, report.input_s)) add_loss(step(*batch, work));
  }
  torch::NoGradGuard no_grad;
  const auto steps = static_cast<double>(work.steps);
  report.loss = loss_sum_.item<double>() / steps;
  report.steps = work.steps;
  if (options_.measure) {
    report.drift = drift_.item<double>() / steps;
    report.gradient_norm = gradient_norm_.item<double>() / steps;
    report.update = work.w.parameters() - work.start_parameters();
  }
  algorithm_.finish(work);
  report.extra = work.extra;
  return report;
}

// What is summed up over a client's steps starts anew; tensors are kept from client to client.
ClientWork LocalTrainer::begin(NamedState& client, const NamedState& server,
                               const torch::Tensor& start) {
  torch::NoGradGuard no_grad;
  if (!state_.defined()) {
    state_ = model_.state().state().narrow(0, 0, model_.network_count());
    extra_ = torch::zeros({algorithm_.extra_count(model_.parameter_count())}, state_.options());
    loss_sum_ = torch::empty({}, state_.options());
    drift_ = torch::empty({}, state_.options().dtype(torch::kFloat64));
    gradient_norm_ = torch::empty_like(drift_);
  }
  if (!start.defined()) start_ = start_.defined() ? start_.copy_(state_) : state_.clone();
  loss_sum_.zero_();
  if (options_.measure) {
    drift_.zero_();
    gradient_norm_.zero_();
  }
  ClientWork work{model_.state(), state_,
                  start.defined() ? start.narrow(0, 0, model_.network_count()) : start_, client,
                  server};
  work.lr = options_.optimizer.lr;
  work.momentum = options_.optimizer.effective_momentum();
  work.extra = extra_;
  if (extra_.numel() > 0) work.extra = torch::zeros_like(extra_);
  algorithm_.begin(work);
  return work;
}

// In host memory a sum of two numbers is not worth dispatching an operation.
void LocalTrainer::add_loss(const torch::Tensor& loss) {
  if (!loss.is_cpu()) {
    loss_sum_ += loss;
    return;
  }
  *loss_sum_.mutable_data_ptr<float>() += *loss.const_data_ptr<float>();
}

// The images of both passes, normalised. They do not depend on the weights: both passes see the
// same ones, unless the running amplitude is to move in every pass (as published).
StepBatch LocalTrainer::observe(const Batch& batch) {
  AmplitudeNormalization& amplitude = model_.amplitude();
  const torch::Tensor first = amplitude.observe(batch.images);
  const bool again = delta_.defined() && amplitude.moves_every_pass();
  return {first, again ? amplitude.observe(batch.images) : first, batch.targets};
}

// One step on one batch, and what the method does after it. Returns the loss before the step.
torch::Tensor LocalTrainer::step(const Batch& batch, ClientWork& work) {
  const StepBatch seen = observe(batch);
  const torch::Tensor first_loss = take_step(seen, work, "optimizer.");
  ++work.steps;
  work.step = [&](const std::string& moments) {
    torch::AutoGradMode with_grad(true);
    take_step({seen.second, seen.second, seen.targets}, work, moments);
  };
  torch::NoGradGuard no_grad;
  if (options_.measure) measure(work);
  algorithm_.after_step(work);
  return first_loss;
}

// The perturbed step of HarmoFL (equation 5; method.md, section 3). Where alpha is 0 there is no
// delta, and the base optimiser steps with g1.
torch::Tensor LocalTrainer::take_step(const StepBatch& batch, ClientWork& work,
                                      const std::string& moments) {
  const auto both_passes = [&](const StepBatch& seen) {
    // g1 = grad f(w)
    const torch::Tensor first_loss = gradient(seen.first, seen.targets, work);
    if (!delta_.defined()) return first_loss;
    // delta = alpha g1 / (||g1||_2 + 1e-12); the weights become w + delta
    perturb(work.w, options_.perturbation, delta_);
    // g2 = grad f(w + delta), on the same batch
    gradient(seen.second, seen.targets, work);
    return first_loss;
  };
  const torch::Tensor first_loss = recorder_->run(batch, both_passes);
  // Back to w, from where the base optimiser steps with g2, in one pass over the weights.
  optimizer_.step(work.w, work.client, moments, delta_);
  return first_loss;
}

// The gradient of the local objective at the present weights: the loss, and what the method adds.
torch::Tensor LocalTrainer::gradient(const torch::Tensor& images, const torch::Tensor& targets,
                                     ClientWork& work) {
  work.w.gradients().zero_();
  const bool with_features = algorithm_.wants_features();
  torch::Tensor features;
  const torch::Tensor logits = model_.forward(images, with_features ? &features : nullptr);
  torch::Tensor value = loss(options_.loss, logits, targets, model_.kernels());
  if (with_features) {
    work.features_at = [&](const torch::Tensor& state) {
      return model_.features_at(state, images);
    };
    value = value + algorithm_.extra_loss(work, features);
  }
  value.backward();
  torch::NoGradGuard no_grad;
  algorithm_.add_gradient(work);
  return value.detach();
}

// Sums up ||w_{i,k} - w_t||^2 and the norm of the gradient that the step was taken with.
void LocalTrainer::measure(const ClientWork& work) {
  const auto norm = [](const torch::Tensor& x) {
    return at::linalg_vector_norm(x, 2, {}, false, torch::kFloat64);
  };
  drift_ += norm(work.w.parameters() - work.start_parameters()).square();
  gradient_norm_ += norm(work.w.gradients());
}

BatchStream LocalTrainer::open(const Samples& samples, const RoundContext& context,
                               std::int64_t epoch) {
  if (!options_.shuffle) return BatchStream(samples, options_.batches, &buffers_);
  // Every local epoch has streams of its own.
  const std::uint64_t seed = context.seed ^ (static_cast<std::uint64_t>(epoch) << 32);
  const auto stream = [&](RngPurpose purpose) {
    return RngStream(seed, context.round, context.client, purpose);
  };
  return BatchStream(samples, options_.batches, stream(RngPurpose::shuffle),
                     stream(RngPurpose::augmentation), &buffers_);
}

}  // namespace harmofl
