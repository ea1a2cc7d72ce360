// SPDX-License-Identifier: Apache-2.0
#include "app/commands/predict/predictor.hpp"

#include "data/batches/batches.hpp"
#include "fl/aggregate/exchange.hpp"

namespace harmofl {

Predictor::Predictor(const LoadedModel& loaded)
    : loaded_(loaded),
      algorithm_(make_algorithm(loaded.algorithm, loaded.run.simulation.algorithm_values)),
      global_(loaded.model->state().state().clone()) {}

void Predictor::use_model_of(const std::string& site) {
  loaded_.model->state().state().copy_(global_);
  personalize(*loaded_.model, personal_state(loaded_, site, *algorithm_), *algorithm_);
}

// Classes by the logits, as the metrics take them: their softmax may round two to the same number.
void Predictor::predict(const Samples& samples,
                        const std::function<void(std::int64_t, const Prediction&)>& take) const {
  if (samples.count() == 0) return;
  torch::NoGradGuard no_grad;
  Model& model = *loaded_.model;
  model.set_training(false);
  BatchBuffers buffers;
  Samples sent = samples;
  if (!model.device().is_cpu()) sent.batch_device = model.device();
  BatchStream batches(sent, {.batch_size = batch_size(), .format = model.memory_format()},
                      &buffers);
  std::int64_t position = 0;
  while (const auto batch = batches.next()) {
    const torch::Tensor logits = model.forward(model.amplitude().normalize(batch->images));
    const torch::Tensor classes = logits.argmax(1).cpu(), probabilities = logits.softmax(1).cpu();
    for (std::int64_t i = 0; i < classes.size(0); ++i) {
      take(position++, {classes[i], probabilities[i]});
    }
  }
}

}  // namespace harmofl
