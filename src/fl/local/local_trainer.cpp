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

void check_graphs(const LocalOptions& options, const Algorithm& algorithm,
                  const AmplitudeOptions& amplitude) {
  if (!options.graphs) return;
  HARMOFL_VALIDATE(algorithm.plain_gradient(), "device.graphs = true records the gradient of the ",
                   "loss alone, but this method adds to it in every step. Set --device.graphs ",
                   "false, or take a method that leaves the local objective as it is (fedavg, ",
                   "fedbn, fedsam, harmofl, ...).");
  HARMOFL_VALIDATE(amplitude.band == Band::off || !amplitude.update_every_pass,
                   "device.graphs = true records both passes of a step with the same images, but ",
                   "amplitude.update = every-pass changes them in between. Set --device.graphs ",
                   "false, or --amplitude.update first-pass.");
}

LocalTrainer::LocalTrainer(Model& model, Algorithm& algorithm, const LocalOptions& options)
    : model_(model),
      algorithm_(algorithm),
      options_(options),
      optimizer_(options.optimizer),
      perturbation_(options.perturbation),
      recorder_(make_recorder(options.graphs, model.device(), options.batches.batch_size)) {
  options_.batches.format = model.memory_format();
  check_graphs(options, algorithm, model.amplitude().options());
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

// In host memory a sum of two numbers is no operation to dispatch.
void LocalTrainer::add_loss(const torch::Tensor& loss) {
  if (!loss.is_cpu()) {
    loss_sum_ += loss;
    return;
  }
  *loss_sum_.mutable_data_ptr<float>() += *loss.const_data_ptr<float>();
}

// One step on one batch. Both passes of a perturbed step see the same normalised images, unless
// the running amplitude is to move in every pass (as published).
torch::Tensor LocalTrainer::step(const Batch& batch, ClientWork& work) {
  AmplitudeNormalization& amplitude = model_.amplitude();
  torch::Tensor images = amplitude.observe(batch.images);
  bool moved = true;  // whether the next pass finds the amplitude where it should be
  bool more = false;  // a further step of the method on this batch: the amplitude has moved already
  const auto take = [&](const std::string& prefix) {
    const auto both_passes = [&](const torch::Tensor& x, const torch::Tensor& targets) {
      torch::Tensor seen = x;
      return perturbation_.without_return(work.w, [&] {
        if (amplitude.options().update_every_pass && !more && !std::exchange(moved, false)) {
          seen = images = amplitude.observe(batch.images);
        }
        return gradient(seen, targets, work);
      });
    };
    const torch::Tensor first_loss = recorder_->run(images, batch.targets, both_passes);
    optimizer_.step(work.w, work.client, prefix, perturbation_.remaining());
    return first_loss;
  };
  work.features_at = [&](const torch::Tensor& state) { return model_.features_at(state, images); };
  work.step = [&](const std::string& prefix) {
    torch::AutoGradMode with_grad(true);
    take(prefix);
  };
  const torch::Tensor first_loss = take("optimizer.");
  more = true;
  ++work.steps;
  torch::NoGradGuard no_grad;
  if (options_.measure) measure(work);
  algorithm_.after_step(work);
  return first_loss;
}

// The gradient of the local objective at the present weights: the loss, and what the method adds.
torch::Tensor LocalTrainer::gradient(const torch::Tensor& images, const torch::Tensor& targets,
                                     ClientWork& work) {
  work.w.gradients().zero_();
  const bool with_features = algorithm_.wants_features();
  torch::Tensor features;
  const torch::Tensor logits = model_.forward(images, with_features ? &features : nullptr);
  torch::Tensor value = loss(options_.loss, logits, targets);
  if (with_features) value = value + algorithm_.extra_loss(work, features);
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
