// SPDX-License-Identifier: Apache-2.0
/// Volumes of a folder, made into images like those that a model was trained on.
#pragma once

#include "app/commands/predict/image_folder.hpp"
#include "app/commands/predict/predictor.hpp"
#include "fl/clients/trained_on.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

/// Predicts volumes of a folder, slice by slice.
class VolumeFolder {
 public:
  /// Throws UserError, naming `source`, when the model's images were not slices of volumes.
  VolumeFolder(std::filesystem::path folder, const TrainedOn& on,
               const ImagePreparation& preparation, const std::string& source);

  /// Predicts a volume and writes a mask of that name to `files`: the number of the class of each
  /// voxel, on the volume's own grid. All slices are predicted, from bottom to top, in batches of
  /// the run. Throws UserError naming the volume.
  void predict(const std::string& name, const Predictor& predictor, PredictionFiles& files) const;

 private:
  std::filesystem::path folder_;
  const TrainedOn& on_;
  double intensity_scale_;
};

}  // namespace harmofl
