// SPDX-License-Identifier: Apache-2.0
/// A model of a checkpoint on images, with all that the checkpoint says of it.
#pragma once

#include "app/commands/predict/prediction_files.hpp"
#include "app/load_model.hpp"
#include "harmofl/data/client_data.hpp"

#include <functional>
#include <memory>
#include <string>

namespace harmofl {

/// Predicts in batches, as `evaluate` measures: the same batch size, amplitude and, where clients
/// have something for themselves, the same model for each site.
class Predictor {
 public:
  /// `loaded` must outlive this object.
  explicit Predictor(const LoadedModel& loaded);

  /// Makes the model that of `site` from now on. Throws UserError when every site has a part of the
  /// model of its own, but there is none for this one.
  void use_model_of(const std::string& site);

  /// Calls `take(position, prediction)` for every sample, in their order.
  void predict(const Samples& samples,
               const std::function<void(std::int64_t, const Prediction&)>& take) const;

  std::int64_t batch_size() const { return loaded_.run.simulation.local.batches.batch_size; }

 private:
  const LoadedModel& loaded_;
  std::unique_ptr<Algorithm> algorithm_;
  torch::Tensor global_;  ///< The state of the model of all sites.
};

}  // namespace harmofl
