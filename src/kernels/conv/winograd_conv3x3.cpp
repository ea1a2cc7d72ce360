// SPDX-License-Identifier: Apache-2.0
// Tiles are worked on in blocks whose transformed values stay in the processor's cache: transform
// the input's tiles, multiply with the transformed weight (16 products, one for each element of a
// tile), transform back. The gradient of the images is the same with the weight turned; that of the
// weight sums products of transformed inputs and transformed gradients over the tiles, and is
// transformed back once.
#include "kernels/conv/winograd_conv3x3.hpp"

#include "base/host_paths.hpp"
#include "kernels/conv/winograd.hpp"
#include "kernels/lanes.hpp"
#include "kernels/rows.hpp"

#include <ATen/Parallel.h>

#include <algorithm>

namespace harmofl {
namespace {

using winograd::elements;
using winograd::Images;
using winograd::Index;
using winograd::OutputRange;
using winograd::TileRange;
using winograd::Transformed;
using winograd::Weight;

/// The kernels of this processor for images of a type; null where there are none.
const winograd::Kernels* kernels_for(torch::Dtype type) {
#if defined(__x86_64__)
  const kernels::SimdLevel level = kernels::simd_level();
  const bool has_avx512 = level == kernels::SimdLevel::avx512;
  if (type == torch::kFloat32 && has_avx512) return &winograd::avx512_kernels;
  if (type == torch::kFloat32 && level == kernels::SimdLevel::avx2) return &winograd::avx2_kernels;
  static const bool has_bfloat16 = has_avx512 && __builtin_cpu_supports("avx512bf16");
  if (type == torch::kBFloat16 && has_bfloat16) return &winograd::avx512_bfloat16_kernels;
#endif
  return nullptr;
}

const winograd::Kernels& kernels_for(const torch::Tensor& images) {
  return *kernels_for(images.scalar_type());
}

torch::Tensor new_images(torch::IntArrayRef shape, const torch::TensorOptions& options) {
  return torch::empty(shape, options, torch::MemoryFormat::ChannelsLast);
}

Images images_of(const torch::Tensor& x) {
  return {const_cast<void*>(x.const_data_ptr()), x.size(2), x.size(3), *row_stride(x)};
}

Weight weight_of(const torch::Tensor& w) {
  return {const_cast<float*>(w.const_data_ptr<float>()), w.size(0), w.size(1)};
}

/// Transformed tiles of one block, an even number of them.
class Block {
 public:
  Block(Index tiles, Index channels, Index value_bytes)
      : value_bytes_(value_bytes),
        memory_(torch::empty({elements * stride(tiles, channels) * value_bytes}, torch::kUInt8)),
        view_{memory_.mutable_data_ptr(), stride(tiles, channels), channels} {}

  const Transformed& view() const { return view_; }
  /// From an even tile of the block on.
  Transformed from(Index tile) const {
    Transformed view = view_;
    view.data = static_cast<char*>(view.data) + tile * view.channels * value_bytes_;
    return view;
  }
  char* element(Index e) const {
    return static_cast<char*>(view_.data) + e * view_.element_stride * value_bytes_;
  }

 private:
  /// Off the powers of two, which share sets of a cache.
  static Index stride(Index tiles, Index channels) {
    return (tiles + 1) / 2 * 2 * channels + 2 * winograd::channel_unit;
  }

  Index value_bytes_;
  torch::Tensor memory_;
  Transformed view_;
};

/// Tiles, and how many of them are worked on at once: as many as fit a core's cache, but enough for
/// what is read once per block (weights, sums) to be small beside it.
struct Tiling {
  static constexpr Index cache_floats = 128 * 1024;
  static constexpr Index least = 96;  // even, as is what fits

  Index tiles, block;

  Tiling(const torch::Tensor& images, Index channels)
      : tiles(images.size(0) * ((images.size(2) + 1) / 2) * ((images.size(3) + 1) / 2)),
        block(std::max(least, cache_floats / (elements * channels) / 2 * 2)) {}

  Index blocks() const { return (tiles + block - 1) / block; }
  TileRange range(Index i) const { return {i * block, std::min(tiles, (i + 1) * block)}; }
};

/// Calls work(range) for all output channels of a weight, divided among the threads.
template <class Work>
void for_outputs(const Weight& weight, const Work& work) {
  constexpr Index unit = winograd::channel_unit;
  const Index grain = std::max<Index>(1, 4096 / weight.inputs);
  at::parallel_for(0, weight.outputs / unit, grain,
                   [&](Index begin, Index end) { work(OutputRange{begin * unit, end * unit}); });
}

/// y = x * u for a transformed weight `u` with as many columns as y has channels.
void convolve(const torch::Tensor& x, const torch::Tensor& u, const torch::Tensor& y) {
  const winograd::Kernels& kernel = kernels_for(x);
  const Index depth = x.size(1);
  const Index columns = y.size(1);
  const Index words = depth / kernel.values_per_word;
  const Index panel = kernel.panel(columns);
  const Tiling tiling(x, depth + columns);
  const Images from = images_of(x);
  const Images to = images_of(y);
  const auto* const weight = static_cast<const char*>(u.const_data_ptr());
  at::parallel_for(0, tiling.blocks(), 1, [&](Index begin, Index end) {
    const Index most = std::min(tiling.tiles, tiling.block);
    const Block input(most, depth, kernel.value_bytes);
    const Block output(most, columns, sizeof(float));
    for (Index i = begin; i < end; ++i) {
      const TileRange tiles = tiling.range(i);
      kernel.input(from, tiles, input.view());
      for (Index e = 0; e < elements; ++e) {
        kernel.multiply({.rows = tiles.end - tiles.begin,
                         .columns = columns,
                         .depth = words,
                         .a = input.element(e),
                         .a_row = words,
                         .a_depth = 1,
                         .b = weight + e * depth * columns * kernel.value_bytes,
                         .b_row = panel,
                         .b_panel = words * panel,
                         .c = reinterpret_cast<float*>(output.element(e)),
                         .c_row = columns,
                         .add = false});
      }
      kernel.output(output.view(), tiles, to);
    }
  });
}

/// Convolves `x` to images of `channels` channels with the weight as `transform` turns it.
template <class Transform>
torch::Tensor convolved(const torch::Tensor& x, const torch::Tensor& weight, Index channels,
                        const Transform& transform) {
  const torch::Tensor w = weight.contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor u = torch::empty({elements * w.size(0) * w.size(1)}, x.options());
  for_outputs(weight_of(w),
              [&](OutputRange range) { transform(weight_of(w), range, u.mutable_data_ptr()); });
  torch::Tensor y = new_images({x.size(0), channels, x.size(2), x.size(3)}, x.options());
  convolve(x, u, y);
  return y;
}

}  // namespace

bool fits_winograd(const torch::Tensor& images, const torch::Tensor& weight) {
  const auto whole = [](std::int64_t channels) { return channels % winograd::channel_unit == 0; };
  return images.is_cpu() && host_paths_in_use() && kernels_for(images.scalar_type()) != nullptr &&
         weight.scalar_type() == torch::kFloat32 && images.numel() > 0 && whole(weight.size(0)) &&
         whole(weight.size(1)) && row_stride(images).has_value();
}

torch::Tensor winograd_forward(const torch::Tensor& images, const torch::Tensor& weight) {
  return convolved(images, weight, weight.size(0), kernels_for(images).weight);
}

torch::Tensor winograd_backward_images(const torch::Tensor& gradient, const torch::Tensor& weight) {
  return convolved(gradient, weight, weight.size(1), kernels_for(gradient).turned_weight);
}

// The sums go through the tiles in the same blocks and order whatever the number of threads.
torch::Tensor winograd_backward_weight(const torch::Tensor& gradient, const torch::Tensor& images) {
  const winograd::Kernels& kernel = kernels_for(images);
  const Index outputs = gradient.size(1);
  const Index inputs = images.size(1);
  const Tiling tiling(images, inputs + outputs);
  const Index most = std::min(tiling.tiles, tiling.block);
  const Block input(most, inputs, kernel.value_bytes);
  const Block output(most, outputs, kernel.value_bytes);
  const auto options = images.options().dtype(torch::kFloat32);
  const torch::Tensor sums = torch::empty({elements * outputs * inputs}, options);
  for (Index i = 0; i < tiling.blocks(); ++i) {
    const TileRange tiles = tiling.range(i);
    const Index pairs = (tiles.end - tiles.begin + 1) / 2;
    at::parallel_for(0, pairs, tiling.least / 4, [&](Index begin, Index end) {
      const TileRange own{tiles.begin + 2 * begin, std::min(tiles.end, tiles.begin + 2 * end)};
      kernel.input_pairs(images_of(images), own, input.from(2 * begin));
      kernel.gradient_pairs(images_of(gradient), own, output.from(2 * begin));
    });
    at::parallel_for(0, elements, 1, [&](Index begin, Index end) {
      for (Index e = begin; e < end; ++e) {
        kernel.multiply({.rows = outputs,
                         .columns = inputs,
                         .depth = kernel.values_per_word == 1 ? tiles.end - tiles.begin : pairs,
                         .a = output.element(e),
                         .a_row = 1,
                         .a_depth = outputs,
                         .b = input.element(e),
                         .b_row = inputs,
                         .b_panel = kernel.panel(inputs),
                         .c = sums.data_ptr<float>() + e * outputs * inputs,
                         .c_row = inputs,
                         .add = i > 0});
      }
    });
  }
  torch::Tensor w = new_images({outputs, inputs, 3, 3}, options);
  for_outputs(weight_of(w), [&](OutputRange range) {
    kernel.weight_gradient(sums.const_data_ptr<float>(), range, weight_of(w));
  });
  return w;
}

}  // namespace harmofl
