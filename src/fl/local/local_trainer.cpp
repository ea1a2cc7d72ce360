// SPDX-License-Identifier: Apache-2.0
#include "fl/local/local_trainer.hpp"

#include "base/host_paths.hpp"
#include "base/range.hpp"
#include "base/timer.hpp"
#include "harmofl/base/error.hpp"

#include <utility>

namespace harmofl {
namespace {

/// Adds its lifetime to the seconds of input.
class InputTime {
 public:
  explicit InputTime(double& seconds) : seconds_(seconds) {}
  ~InputTime() { seconds_ += watch_.elapsed_s(); }
  InputTime(const InputTime&) = delete;
  InputTime& operator=(const InputTime&) = delete;

 private:
  double& seconds_;
  Range range_{"input"};
  Stopwatch watch_;
};

std::optional<Batch> next_batch(BatchStream& batches, double& seconds) {
  const InputTime timed(seconds);
  return batches.next();
}

constexpr double low_part = 16777216.0;  // 2^24

std::int64_t steps_of(const torch::Tensor& taken) {
  const torch::Tensor parts = taken.to(torch::kFloat64).cpu();
  return static_cast<std::int64_t>(parts[0].item<double>() * low_part + parts[1].item<double>());
}

void count_steps(torch::Tensor& taken, std::int64_t steps) {
  const auto low = static_cast<std::int64_t>(low_part);
  taken[0] = steps / low;
  taken[1] = steps % low;
}

}  // namespace

void check_graphs(const LocalOptions& options, bool plain_gradient) {
  if (!options.graphs) return;
  HARMOFL_VALIDATE(plain_gradient, "device.graphs = true records the gradient of the ",
                   "loss alone, but this method adds to it in every step. Set --device.graphs ",
                   "false, or take a method that leaves the local objective as it is (fedavg, ",
                   "fedbn, fedsam, harmofl, ...).");
  HARMOFL_VALIDATE(options.loss.class_weights.empty() && !options.loss.weigh_by_frequency,
                   "device.graphs = true does not record a loss with class weights. Set ",
                   "--device.graphs false, or --train.class_weights none.");
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
  const Range range("train client", {"client", data.site});
  model_.set_training(true);
  model_.amplitude().begin_client();
  optimizer_.set_lr(learning_rate(options_.schedule, options_.optimizer.lr, context.round));
  // What layers draw (dropout of a script) depends on nothing that was computed before.
  torch::manual_seed(RngStream(context.seed, context.round, context.client, RngPurpose::layers)());
  ClientWork work = begin(client, server, start);
  ClientReport report;
  hashing_s_ = 0.0;
  if (options_.fingerprints) batches_ = std::make_unique<RunningFingerprint>();
  if (options_.local_steps > 0) {
    train_steps(samples, context, work, report);
  } else {
    train_epochs(samples, context, work, report);
  }
  torch::NoGradGuard no_grad;
  read_sums(work, report);
  algorithm_.finish(work);
  report.extra = work.extra;
  if (batches_) report.batches = batches_->text();
  report.fingerprint_s = hashing_s_;
  return report;
}

// What was summed up over the steps, in one read: a device is waited for once a client.
void LocalTrainer::read_sums(const ClientWork& work, ClientReport& report) {
  const auto steps = static_cast<double>(work.steps);
  std::vector<torch::Tensor> sums{loss_sum_.to(torch::kFloat64)};
  if (options_.measure) sums.insert(sums.end(), {drift_, gradient_norm_});
  const torch::Tensor read = at::stack(sums).cpu();
  const auto* const values = read.const_data_ptr<double>();
  report.loss = values[0] / steps;
  report.steps = work.steps;
  report.gradients = gradients_;
  if (!options_.measure) return;
  report.drift = values[1] / steps;
  report.gradient_norm = values[2] / steps;
  report.update = work.w.parameters() - work.start_parameters();
}

void LocalTrainer::train_epochs(const Samples& samples, const RoundContext& context,
                                ClientWork& work, ClientReport& report) {
  for (std::int64_t epoch = 0; epoch < options_.local_epochs; ++epoch) {
    BatchStream batches = [&] {
      const InputTime timed(report.input_s);
      return open(samples, context, epoch);
    }();
    while (const auto batch = next_batch(batches, report.input_s)) add_loss(step(*batch, work));
  }
}

// Pass after pass over the samples, from the batch where the client's last round ended. A pass
// draws as a round of one epoch does: with as many steps as batches both are the same.
void LocalTrainer::train_steps(const Samples& samples, const RoundContext& context,
                               ClientWork& work, ClientReport& report) {
  torch::Tensor& taken = work.client.tensor(steps_taken_name, state_.new_zeros({2}));
  std::int64_t before = steps_of(taken);
  const std::int64_t pass = batch_count(samples, options_.batches);
  const std::int64_t end = before + options_.local_steps;
  while (before < end) {
    const RoundContext pass_context{RoundId(before / pass), context.client, context.seed};
    std::optional<InputTime> timed(std::in_place, report.input_s);
    BatchStream batches = open(samples, pass_context, 0);
    batches.skip(before % pass);
    timed.reset();
    for (; before < end; ++before) {
      const auto batch = next_batch(batches, report.input_s);
      if (!batch) break;
      add_loss(step(*batch, work));
    }
  }
  count_steps(taken, end);
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
  gradients_ = 0;
  if (options_.measure) {
    drift_.zero_();
    gradient_norm_.zero_();
  }
  ClientWork work{model_.state(), state_,
                  start.defined() ? start.narrow(0, 0, model_.network_count()) : start_, client,
                  server};
  work.lr = optimizer_.options().lr;
  work.momentum = options_.optimizer.effective_momentum();
  work.extra = extra_;
  if (extra_.numel() > 0) work.extra = torch::zeros_like(extra_);
  algorithm_.begin(work);
  return work;
}

// In host memory a sum of two numbers is not worth dispatching an operation.
void LocalTrainer::add_loss(const torch::Tensor& loss) {
  if (!loss.is_cpu() || !host_paths_in_use()) {
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
  if (batches_) hash(batch);
  const StepBatch seen = observe(batch);
  const torch::Tensor first_loss = take_step(seen, work, moments_prefix);
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
    const torch::Tensor first_loss = [&] {
      const Range range("first pass");
      return gradient(seen.first, seen.targets, work);
    }();
    if (!delta_.defined()) return first_loss;
    // delta = alpha g1 / (||g1||_2 + 1e-12); the weights become w + delta
    perturb(work.w, options_.perturbation, delta_);
    // g2 = grad f(w + delta), on the same batch
    const Range range("second pass");
    gradient(seen.second, seen.targets, work);
    return first_loss;
  };
  const torch::Tensor first_loss = recorder_->run(batch, both_passes);
  gradients_ += delta_.defined() ? 2 : 1;  // a recorded step takes them without `gradient`
  // Back to w, from where the base optimiser steps with g2, in one pass over the weights.
  optimizer_.step(work.w, work.client, moments, delta_);
  return first_loss;
}

// The gradient of the local objective at the present weights: the loss, and what the method adds.
torch::Tensor LocalTrainer::gradient(const torch::Tensor& images, const torch::Tensor& targets,
                                     ClientWork& work) {
  if (shared_) return shared_gradient(images, targets, work);
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

// The same as the mean over pieces: sum_j n_j/n grad f_j(w) over the n_j images of piece j. Of the
// loss alone: methods that add to it are refused.
torch::Tensor LocalTrainer::shared_gradient(const torch::Tensor& images,
                                            const torch::Tensor& targets, ClientWork& work) {
  const torch::Tensor& gradients = work.w.gradients();
  const std::int64_t parameters = gradients.numel(), size = images.size(0);
  if (!message_.defined()) message_ = gradients.new_empty({parameters + 1});
  shared_->begin();
  for (std::int64_t j = shared_->first; j < options_.pieces; j += shared_->every) {
    const std::int64_t begin = size * j / options_.pieces;
    const std::int64_t count = size * (j + 1) / options_.pieces - begin;
    if (count == 0) continue;
    gradients.zero_();
    const torch::Tensor value = loss(options_.loss, model_.forward(images.narrow(0, begin, count)),
                                     targets.narrow(0, begin, count), model_.kernels());
    value.backward();
    torch::NoGradGuard no_grad;
    message_.narrow(0, 0, parameters).copy_(gradients);
    message_[parameters] = value;
    shared_->add(message_, static_cast<double>(count) / static_cast<double>(size));
  }
  torch::NoGradGuard no_grad;
  const torch::Tensor sum = shared_->sum();
  gradients.copy_(sum.narrow(0, 0, parameters));
  return sum[parameters].clone();
}

// Sums up ||w_{i,k} - w_t||^2 and the norm of the gradient that the step was taken with.
void LocalTrainer::measure(const ClientWork& work) {
  const auto norm = [](const torch::Tensor& x) {
    return at::linalg_vector_norm(x, 2, {}, false, torch::kFloat64);
  };
  drift_ += norm(work.w.parameters() - work.start_parameters()).square();
  gradient_norm_ += norm(work.w.gradients());
}

void LocalTrainer::hash(const Batch& batch) {
  const Stopwatch watch;
  batches_->add(batch.images);
  batches_->add(batch.targets);
  hashing_s_ += watch.elapsed_s();
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
