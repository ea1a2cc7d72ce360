// SPDX-License-Identifier: Apache-2.0
/// Images of a folder, made like those that a model was trained on.
#pragma once

#include "app/commands/predict/predictor.hpp"
#include "fl/clients/trained_on.hpp"
#include "prepare/pixels/size.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// How images of files become what the network takes.
struct ImagePreparation {
  std::optional<prepare::Size> size;   ///< Each is resampled to it.
  std::optional<prepare::Size> patch;  ///< Or cut into tiles of it.
  bool grey = false;
  bool of_volumes = false;  ///< Each is three slices of a volume (`harmofl-prepare prostate`).
  double intensity_scale = 255.0;
};

/// What was done to the images that the model was trained on; where they were not made of files, an
/// image must have the size of theirs. Throws UserError, naming `source`, when they were made in
/// several ways.
ImagePreparation preparation_of(const TrainedOn& on, const std::string& source);

/// Predicts images of a folder.
class ImageFolder {
 public:
  ImageFolder(std::filesystem::path folder, const TrainedOn& on, ImagePreparation preparation)
      : folder_(std::move(folder)), on_(on), preparation_(std::move(preparation)) {}

  /// Images that go into one batch: their predictions may depend on each other.
  std::int64_t images_at_once(std::int64_t batch_size) const {
    return preparation_.patch ? 1 : batch_size;
  }

  /// Predicts `names`, at most `images_at_once`, and adds what comes of it to `files`: masks in the
  /// size of the image. Tiles that overlap are averaged. Throws UserError naming the image.
  void predict(const std::vector<std::string>& names, const Predictor& predictor,
               PredictionFiles& files) const;

 private:
  /// An image as the network gets it: whole, or in tiles.
  struct Pieces {
    prepare::Size source;                                        ///< Size of the image in its file.
    std::vector<std::pair<std::int64_t, std::int64_t>> corners;  ///< Top and left of each tile.
  };

  Pieces read(const std::string& name, std::vector<std::uint8_t>& pixels) const;
  Prediction stitched(const Pieces& pieces, const std::vector<Prediction>& parts) const;

  std::filesystem::path folder_;
  const TrainedOn& on_;
  ImagePreparation preparation_;
};

}  // namespace harmofl
