// SPDX-License-Identifier: Apache-2.0
/// Single cases that a model was measured on, as pictures: what it saw, the truth, what it said.
#pragma once

#include "comm/communicator.hpp"
#include "harmofl/base/ids.hpp"
#include "harmofl/io/shard.hpp"

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace harmofl {

/// Which cases are shown: the first ones of the first clients or sites that models are measured on.
inline constexpr std::int64_t pictured_sites = 8;
inline constexpr std::int64_t pictured_cases = 2;

/// A case in 8-bit colours.
struct Picture {
  ClientId measured;  ///< Position in Federation::measured(), or behind it, as that of a Score.
  Split split = Split::test;
  std::int64_t position = 0;  ///< In the split.
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::uint8_t> pixels = {};  ///< [height, width, 3].
};

/// Whether pictures of a round are due: the first evaluation after every `every` rounds, and the
/// one after the last round; never with 0. `rounds_done` counts the round itself.
bool pictures_are_due(std::int64_t every, std::int64_t rounds_done, std::int64_t evaluate_every,
                      std::int64_t rounds);

/// Pixels [H, 3 W + 4, 3] of an image [C, H, W] as the network gets it, and two masks [H, W] of its
/// `classes`: image | truth | prediction, with 2 columns of grey in between. An image of three
/// channels is in colour, any other its first channel in grey; values from 0 to 1 are shown from
/// black to white, of an image with others its own range. Class 0 is black, class 1 of two white.
std::vector<std::uint8_t> picture_of_masks(const torch::Tensor& image, const torch::Tensor& truth,
                                           const torch::Tensor& predicted, std::int64_t classes);

/// Pixels [H + 6, W + 6, 3] of an image in a frame, green where the class was found, else red.
std::vector<std::uint8_t> picture_of_class(const torch::Tensor& image, bool found);

/// The pictures of the first cases of a batch: images float32 [B, C, H, W], targets int64 [B] or
/// [B, H, W], logits float32 [B, K, ...].
std::vector<Picture> pictures_of(ClientId measured, Split split, const torch::Tensor& images,
                                 const torch::Tensor& targets, const torch::Tensor& logits);

/// Brings the pictures of all ranks to the root, by client, then position. Collective.
std::vector<Picture> gather_pictures(const std::vector<Picture>& own, const Communicator& comm);

}  // namespace harmofl
