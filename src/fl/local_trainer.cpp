#include "harmofl/fl/local_trainer.hpp"

#include "harmofl/base/error.hpp"

namespace harmofl {

LocalTrainer::LocalTrainer(Model& model, const LocalOptions& options)
    : model_(model),
      options_(options),
      optimizer_(options.optimizer),
      perturbation_(options.alpha) {}

ClientReport LocalTrainer::train(const ClientData& data, ClientState& state,
                                 const RoundContext& context) {
  const Samples& samples = data.split(Split::train);
  HARMOFL_VALIDATE(samples.count() > 0, "site ", data.site, " has no training samples. ",
                   "Remove its shard from data.shards or prepare it with another --split.");
  model_.set_training(true);
  model_.amplitude().begin_client();
  torch::Tensor loss_sum = torch::zeros({}, torch::TensorOptions(model_.device()));
  ClientReport report;
  for (std::int64_t epoch = 0; epoch < options_.local_epochs; ++epoch) {
    BatchStream batches = open(samples, context, epoch);
    while (const auto batch = batches.next()) {
      loss_sum += step(*batch, state);
      ++report.steps;
    }
  }
  report.loss = loss_sum.item<double>() / static_cast<double>(report.steps);
  return report;
}

// One step on one batch. Both passes of a perturbed step see the same normalised images, unless
// the running amplitude is to move in every pass (as published).
torch::Tensor LocalTrainer::step(const Batch& batch, ClientState& state) {
  AmplitudeNormalization& amplitude = model_.amplitude();
  torch::Tensor images;
  const auto gradient = [&] {
    if (!images.defined() || amplitude.options().update_every_pass) {
      images = amplitude.observe(batch.images);
    }
    model_.state().gradients().zero_();
    const torch::Tensor value = loss(options_.loss, model_.forward(images), batch.targets);
    value.backward();
    return value.detach();
  };
  const torch::Tensor first_loss = perturbation_(model_.state(), gradient);
  optimizer_.step(model_.state(), state);
  return first_loss;
}

BatchStream LocalTrainer::open(const Samples& samples, const RoundContext& context,
                               std::int64_t epoch) const {
  if (!options_.shuffle) return BatchStream(samples, options_.batches);
  // Every local epoch has streams of its own.
  const std::uint64_t seed = context.seed ^ (static_cast<std::uint64_t>(epoch) << 32);
  const auto stream = [&](RngPurpose purpose) {
    return RngStream(seed, context.round, context.client, purpose);
  };
  return BatchStream(samples, options_.batches, stream(RngPurpose::shuffle),
                     stream(RngPurpose::augmentation));
}

}  // namespace harmofl
