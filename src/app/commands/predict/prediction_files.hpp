// SPDX-License-Identifier: Apache-2.0
/// The files that `harmofl predict` leaves: masks, probabilities, and rows of a table of classes.
#pragma once

#include "harmofl/io/shard.hpp"

#include <torch/types.h>

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

/// What a model says of one image.
struct Prediction {
  torch::Tensor classes;        ///< int64, [] (its class) or [H, W] (that of each pixel).
  torch::Tensor probabilities;  ///< float32, [K] or [K, H, W].
};

/// Whose image it is, for names of files and rows.
struct ImageName {
  std::string site;   ///< "" where images are of no site.
  std::string split;  ///< "" where there are none.
  std::string id;     ///< May have "/", as the names of images in folders.
};

/// What to write for each image.
struct PredictionFormat {
  Task task = Task::segmentation;
  std::vector<std::string> class_names;
  bool probabilities = false;  ///< Also float32 [K, H, W] of each mask, as .npy.
};

/// Writes below a folder that is there: `<site>/<id>.png` for a mask, and `<site>/<id>.npy`; for
/// the mask of a volume a volume.
class PredictionFiles {
 public:
  PredictionFiles(std::filesystem::path folder, PredictionFormat format)
      : folder_(std::move(folder)), format_(std::move(format)) {}

  /// Writes the files of an image, or adds its row. Throws UserError when the name would lead out
  /// of the folder or was there before, and when a file cannot be written.
  void add(const ImageName& name, const Prediction& prediction);

  /// Writes the mask of a volume under the name of the volume. Throws UserError as `add` does.
  void add_volume(const std::string& name, std::string_view bytes);

  /// The rows of the table since the last call.
  std::string take_rows() { return std::exchange(rows_, {}); }
  /// The table's first line.
  std::string header() const;

 private:
  std::filesystem::path file_of(const ImageName& name);
  void write_mask(const std::filesystem::path& file, const Prediction& prediction) const;

  std::filesystem::path folder_;
  PredictionFormat format_;
  std::set<std::filesystem::path> written_;
  std::string rows_;
};

/// Makes the folder, with those above it. Throws UserError unless it is new or empty, so that no
/// file is replaced that was there before.
void make_empty_folder(const std::filesystem::path& folder);

}  // namespace harmofl
