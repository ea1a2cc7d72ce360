// SPDX-License-Identifier: Apache-2.0
#include "app/commands/predict/volume_folder.hpp"

#include "app/commands/predict/enlarge.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/decode/nifti_writer.hpp"
#include "prepare/pixels/resample.hpp"
#include "prepare/pixels/volume_slices.hpp"

#include <algorithm>

namespace harmofl {
namespace {

namespace fs = std::filesystem;
using prepare::ByteVolume;
using prepare::Image;

/// Puts the classes of slice k, of any size, into a mask in RAS.
void put_slice(const torch::Tensor& classes, std::int64_t k, ByteVolume& mask) {
  const prepare::Size size = mask.slice_size();
  const torch::Tensor whole = enlarged(classes, size).to(torch::kUInt8).contiguous();
  const std::uint8_t* pixel = whole.const_data_ptr<std::uint8_t>();
  for (std::int64_t row = 0; row < size.height; ++row) {
    for (std::int64_t column = 0; column < size.width; ++column) {
      mask.values[mask.place(k, row, column)] = *pixel++;
    }
  }
}

/// The values of a mask in RAS in the order of the volume that it is of.
std::vector<std::uint8_t> turned_back(const ByteVolume& mask, const prepare::RasOrder& order) {
  std::vector<std::uint8_t> values(mask.values.size());
  auto value = mask.values.begin();
  for (std::int64_t k = 0; k < order.size[2]; ++k) {
    for (std::int64_t j = 0; j < order.size[1]; ++j) {
      for (std::int64_t i = 0; i < order.size[0]; ++i) values[order.place(i, j, k)] = *value++;
    }
  }
  return values;
}

}  // namespace

VolumeFolder::VolumeFolder(fs::path folder, const TrainedOn& on,
                           const ImagePreparation& preparation, const std::string& source)
    : folder_(std::move(folder)), on_(on), intensity_scale_(preparation.intensity_scale) {
  const bool of_slices =
      preparation.of_volumes && on.shape.task == Task::segmentation && on.shape.channels == 3;
  HARMOFL_VALIDATE(of_slices, source, ": the images of its run were not made of volumes by ",
                   "`harmofl-prepare prostate`, so that it does not say how those of ",
                   folder_.string(), " become images. Give --input images or shards.");
}

void VolumeFolder::predict(const std::string& name, const Predictor& predictor,
                           PredictionFiles& files) const {
  const fs::path path = folder_ / name;
  prepare::Volume stored = prepare::read_nifti(path);
  const ByteVolume slices = to_byte_volume(to_ras(stored, path), path);
  stored.values =
      std::vector<double>();  // eight times as much as the slices, and not needed any more
  ByteVolume mask{slices.size, std::vector<std::uint8_t>(slices.values.size())};
  const prepare::Size wanted{on_.shape.height, on_.shape.width};
  for (std::int64_t begin = 0; begin < slices.size[2]; begin += predictor.batch_size()) {
    const std::int64_t count = std::min(predictor.batch_size(), slices.size[2] - begin);
    std::vector<std::uint8_t> pixels;
    for (std::int64_t k = begin; k < begin + count; ++k) {
      const Image image = resample(three_slices(slices, k), wanted);
      pixels.insert(pixels.end(), image.values.begin(), image.values.end());
    }
    const Samples samples{
        torch::from_blob(pixels.data(), {count, 3, wanted.height, wanted.width}, torch::kUInt8),
        torch::zeros({count}, torch::kInt64), intensity_scale_};
    predictor.predict(samples, [&](std::int64_t position, const Prediction& prediction) {
      put_slice(prediction.classes, begin + position, mask);
    });
  }
  const prepare::RasOrder order =
      ras_order(prepare::orientation_of(stored.affine, path), stored.size);
  const std::string bytes = nifti_mask(stored, turned_back(mask, order));
  files.add_volume(name, name.ends_with(".gz") ? prepare::gzip_of(bytes) : bytes);
}

}  // namespace harmofl
