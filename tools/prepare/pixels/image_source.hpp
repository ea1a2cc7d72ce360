// SPDX-License-Identifier: Apache-2.0
/// The images of samples, from image files or from arrays that hold many.
#pragma once

#include "prepare/decode/npz.hpp"
#include "prepare/pixels/image.hpp"
#include "prepare/scan/scan.hpp"

#include <memory>
#include <optional>

namespace harmofl::prepare {

/// Reads images one after the other. Rows of one array that are asked for in their order are read
/// in one go; going back begins anew.
class ImageSource {
 public:
  /// The image of a sample, as `read_image` gives it. Throws UserError as `read_image` does.
  Image read(const Sample& sample, bool grey, std::int64_t max_pixels);

 private:
  /// The array that was read last.
  struct OpenArray {
    explicit OpenArray(const Sample& sample);
    bool leads_to(const Sample& sample) const;
    Raster next();

    std::filesystem::path path;
    std::string name;
    NpzFile file;
    NpzFile::Array array;
    std::int64_t row = 0;  ///< The one that is read next.
  };

  std::unique_ptr<OpenArray> open_;
};

}  // namespace harmofl::prepare
