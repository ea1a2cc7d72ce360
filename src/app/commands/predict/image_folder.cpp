// SPDX-License-Identifier: Apache-2.0
#include "app/commands/predict/image_folder.hpp"

#include "app/commands/predict/enlarge.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/pixels/image.hpp"
#include "prepare/pixels/resample.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace harmofl {
namespace {

namespace fs = std::filesystem;
using prepare::Image;
using prepare::Size;

constexpr int deepest = 3;  ///< Of the JSON that says how images were made.
constexpr const char* volume_tool = "harmofl-prepare prostate";

/// The size under `key` of what the shards say; nothing where there is none.
std::optional<Size> size_under(const nlohmann::json& facts, const char* key,
                               const std::string& source) {
  const auto found = facts.find(key);
  if (found == facts.end() || !found->is_string()) return std::nullopt;
  return prepare::parse_size(concat(source, ": ", key), found->get<std::string>());
}

/// What the shards say of how images were made; an empty object where that is no JSON.
nlohmann::json facts_of(const ImageOrigin& origin) {
  try {
    nlohmann::json facts = parse_json(origin.preprocessing, deepest);
    return facts.is_object() ? facts : nlohmann::json::object();
  } catch (const JsonError&) {
    return nlohmann::json::object();
  }
}

ImagePreparation preparation_of(const ImageOrigin& origin, std::int64_t channels,
                                const std::string& source) {
  const nlohmann::json facts = facts_of(origin);
  const auto tool = facts.find("tool");
  return {size_under(facts, "size", source), size_under(facts, "patch", source), channels == 1,
          tool != facts.end() && *tool == nlohmann::json(volume_tool), origin.intensity_scale};
}

}  // namespace

ImagePreparation preparation_of(const TrainedOn& on, const std::string& source) {
  HARMOFL_VALIDATE(!on.origins.empty(), source, ": does not say how its images were made. Predict ",
                   "shards, or train it with this version.");
  ImagePreparation first = preparation_of(on.origins.front(), on.shape.channels, source);
  for (const ImageOrigin& origin : on.origins) {
    const ImagePreparation other = preparation_of(origin, on.shape.channels, source);
    HARMOFL_VALIDATE(other.size == first.size && other.patch == first.patch &&
                         other.intensity_scale == first.intensity_scale,
                     source, ": the images of ", on.origins.front().sites.front(), " and ",
                     origin.sites.front(),
                     " were made in different ways (size, patch or intensity ",
                     "scale), so that there is no one way for others. Predict shards.");
    first.of_volumes = first.of_volumes && other.of_volumes;
  }
  return first;
}

/// Appends what the network takes of the image `name` to `pixels`.
ImageFolder::Pieces ImageFolder::read(const std::string& name,
                                      std::vector<std::uint8_t>& pixels) const {
  const fs::path path = folder_ / name;
  const Size wanted{on_.shape.height, on_.shape.width};
  const std::int64_t most =
      preparation_.size ? prepare::max_pixels_for(wanted) : prepare::usual_max_pixels;
  Image image = prepare::read_image(path, preparation_.grey, most);
  Pieces pieces{image.size, {}};
  const auto add = [&](const Image& piece, std::int64_t top, std::int64_t left) {
    pieces.corners.emplace_back(top, left);
    pixels.insert(pixels.end(), piece.values.begin(), piece.values.end());
  };
  if (preparation_.patch) {
    HARMOFL_VALIDATE(image.size.height >= wanted.height && image.size.width >= wanted.width,
                     path.string(), ": this image is ", to_string(image.size),
                     ", smaller than the patch ", to_string(wanted),
                     " that the model takes. Give a larger one.");
    for (const std::int64_t top : prepare::tile_starts(image.size.height, wanted.height)) {
      for (const std::int64_t left : prepare::tile_starts(image.size.width, wanted.width)) {
        add(crop(image, top, left, wanted), top, left);
      }
    }
    return pieces;
  }
  HARMOFL_VALIDATE(preparation_.size || image.size == wanted, path.string(), ": this image is ",
                   to_string(image.size), ", but the model takes images of ", to_string(wanted),
                   ", and its own were not resampled. Give images of that size.");
  add(resample(image, wanted), 0, 0);
  return pieces;
}

/// The prediction of an image from those of its tiles.
Prediction ImageFolder::stitched(const Pieces& pieces, const std::vector<Prediction>& parts) const {
  const Prediction& first = parts.front();
  if (on_.shape.task == Task::classification) {
    std::vector<torch::Tensor> all;
    for (const Prediction& part : parts) all.push_back(part.probabilities);
    const torch::Tensor mean = torch::stack(all).mean(0);
    return {parts.size() == 1 ? first.classes : mean.argmax(0), mean};
  }
  if (!preparation_.patch) {
    return {enlarged(first.classes, pieces.source), enlarged(first.probabilities, pieces.source)};
  }
  torch::Tensor sum = torch::zeros({on_.shape.classes, pieces.source.height, pieces.source.width});
  torch::Tensor times = torch::zeros({pieces.source.height, pieces.source.width});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto [top, left] = pieces.corners[i];
    const auto part_of = [&](const torch::Tensor& whole) {
      return whole.narrow(-2, top, on_.shape.height).narrow(-1, left, on_.shape.width);
    };
    part_of(sum).add_(parts[i].probabilities);
    part_of(times).add_(1.0);
  }
  sum.div_(times);
  return {sum.argmax(0), sum};
}

void ImageFolder::predict(const std::vector<std::string>& names, const Predictor& predictor,
                          PredictionFiles& files) const {
  std::vector<std::uint8_t> pixels;
  std::vector<Pieces> images;
  std::int64_t count = 0;
  for (const std::string& name : names) {
    images.push_back(read(name, pixels));
    count += std::ssize(images.back().corners);
  }
  const std::vector<std::int64_t> shape{count, on_.shape.channels, on_.shape.height,
                                        on_.shape.width};
  const Samples samples{torch::from_blob(pixels.data(), shape, torch::kUInt8),
                        torch::zeros({count}, torch::kInt64), preparation_.intensity_scale};
  std::vector<Prediction> parts;
  std::size_t image = 0;
  predictor.predict(samples, [&](std::int64_t, const Prediction& part) {
    parts.push_back(part);
    if (parts.size() < images[image].corners.size()) return;
    const std::string id = fs::path(names[image]).replace_extension().string();
    files.add({"", "", id}, stitched(images[image], parts));
    parts.clear();
    ++image;
  });
}

}  // namespace harmofl
