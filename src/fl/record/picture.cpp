// SPDX-License-Identifier: Apache-2.0
#include "fl/record/picture.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace harmofl {
namespace {

constexpr std::int64_t gap = 2;    ///< Columns between image, truth and prediction.
constexpr std::int64_t frame = 3;  ///< Pixels around an image with a class.

using Rgb = std::array<std::uint8_t, 3>;
constexpr Rgb grey{96, 96, 96}, green{0, 160, 0}, red{220, 0, 0}, white{255, 255, 255};
/// Of class 1 and on, where there are more than two.
constexpr std::array<Rgb, 8> colours{{{230, 60, 60},
                                      {60, 180, 75},
                                      {70, 110, 240},
                                      {250, 220, 50},
                                      {60, 210, 230},
                                      {230, 90, 220},
                                      {250, 150, 50},
                                      {170, 170, 170}}};

torch::Tensor filled(std::int64_t height, std::int64_t width, const Rgb& colour) {
  const torch::Tensor pixel = torch::tensor({colour[0], colour[1], colour[2]}, torch::kUInt8);
  return pixel.expand({height, width, 3}).clone();
}

/// An image [C, H, W] as uint8 [H, W, 3].
torch::Tensor shown_image(const torch::Tensor& image) {
  torch::Tensor values = image.cpu().to(torch::kFloat64);
  const auto least = values.min().item<double>(), most = values.max().item<double>();
  if (least < 0.0 || most > 1.0) values = (values - least) / std::max(most - least, 1e-12);
  values = values.size(0) == 3 ? values : values.narrow(0, 0, 1).expand({3, -1, -1});
  return (values.nan_to_num() * 255.0).round().clamp(0, 255).to(torch::kUInt8).permute({1, 2, 0});
}

/// A mask [H, W] as uint8 [H, W, 3].
torch::Tensor shown_mask(const torch::Tensor& mask, std::int64_t classes) {
  torch::Tensor table = torch::zeros({classes, 3}, torch::kUInt8);
  for (std::int64_t k = 1; k < classes; ++k) {
    const Rgb& colour = classes == 2 ? white : colours[static_cast<std::size_t>(k - 1) % 8];
    for (std::int64_t c = 0; c < 3; ++c) table[k][c] = colour[static_cast<std::size_t>(c)];
  }
  const torch::Tensor classes_of_pixels = mask.cpu().to(torch::kInt64);
  return table.index({classes_of_pixels});
}

std::vector<std::uint8_t> colour_bytes(const torch::Tensor& pixels) {
  const torch::Tensor dense = pixels.contiguous();
  const auto* const first = dense.const_data_ptr<std::uint8_t>();
  return {first, first + dense.numel()};
}

/// A picture without its pixels.
struct Head {
  ClientId measured;
  Split split;
  std::int64_t position, height, width;
};

}  // namespace

bool pictures_are_due(std::int64_t every, std::int64_t rounds_done, std::int64_t evaluate_every,
                      std::int64_t rounds) {
  if (every == 0) return false;
  const std::int64_t before = rounds_done - 1 - (rounds_done - 1) % evaluate_every;
  return rounds_done == rounds || rounds_done / every != before / every;
}

std::vector<std::uint8_t> picture_of_masks(const torch::Tensor& image, const torch::Tensor& truth,
                                           const torch::Tensor& predicted, std::int64_t classes) {
  const torch::Tensor between = filled(image.size(1), gap, grey);
  return colour_bytes(torch::cat({shown_image(image), between, shown_mask(truth, classes), between,
                                  shown_mask(predicted, classes)},
                                 1));
}

std::vector<std::uint8_t> picture_of_class(const torch::Tensor& image, bool found) {
  const std::int64_t height = image.size(1), width = image.size(2);
  const torch::Tensor pixels = filled(height + 2 * frame, width + 2 * frame, found ? green : red);
  pixels.narrow(0, frame, height).narrow(1, frame, width).copy_(shown_image(image));
  return colour_bytes(pixels);
}

std::vector<Picture> pictures_of(ClientId measured, Split split, const torch::Tensor& images,
                                 const torch::Tensor& targets, const torch::Tensor& logits) {
  const torch::Tensor predicted = logits.argmax(1);
  std::vector<Picture> pictures;
  for (std::int64_t i = 0; i < std::min(pictured_cases, images.size(0)); ++i) {
    const bool masks = targets.dim() == 3;
    Picture picture{measured, split, i, images.size(2), images.size(3)};
    if (masks) {
      picture.pixels = picture_of_masks(images[i], targets[i], predicted[i], logits.size(1));
      picture.width = 3 * picture.width + 2 * gap;
    } else {
      const bool found = targets[i].item<std::int64_t>() == predicted[i].item<std::int64_t>();
      picture.pixels = picture_of_class(images[i], found);
      picture.height += 2 * frame;
      picture.width += 2 * frame;
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

std::vector<Picture> gather_pictures(const std::vector<Picture>& own, const Communicator& comm) {
  std::vector<Head> own_heads;
  std::vector<std::uint8_t> own_pixels;
  for (const Picture& p : own) {
    own_heads.push_back({p.measured, p.split, p.position, p.height, p.width});
    own_pixels.insert(own_pixels.end(), p.pixels.begin(), p.pixels.end());
  }
  const auto heads = comm.gather(own_heads);
  const auto pixels = comm.gather(own_pixels);
  std::vector<Picture> all;
  for (std::size_t rank = 0; rank < heads.size(); ++rank) {
    auto next = pixels[rank].begin();
    for (const Head& head : heads[rank]) {
      const auto end = next + 3 * head.height * head.width;
      all.push_back(
          {head.measured, head.split, head.position, head.height, head.width, {next, end}});
      next = end;
    }
  }
  std::ranges::sort(all, {}, [](const Picture& p) { return std::tuple(p.measured, p.position); });
  return all;
}

}  // namespace harmofl
