// Tiles are worked on in blocks whose transformed values stay in the processor's cache: transform
// the input's tiles, multiply with the transformed weight (16 products, one for each element of a
// tile), transform back. The gradient of the images is the same with the weight turned; that of the
// weight sums products of transformed inputs and transformed gradients over the tiles, and is
// transformed back once.
#include "harmofl/model/kernels/conv3x3.hpp"

#include "harmofl/base/error.hpp"

#include "winograd.hpp"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>

namespace harmofl {
namespace {

using winograd::elements;
using winograd::Images;
using winograd::Index;
using winograd::OutputRange;
using winograd::TileRange;
using winograd::Transformed;
using winograd::Weight;

/// The kernels of this processor; null where there are none for it.
const winograd::Kernels* kernels() {
#if defined(__x86_64__)
  static const winograd::Kernels* const found = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
      return &winograd::avx512_kernels;
    }
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return has_avx2 ? &winograd::avx2_kernels : nullptr;
  }();
  return found;
#else
  return nullptr;
#endif
}

/// Whether a channel of all pixels is one stretch with a constant stride.
bool is_channels_last(const torch::Tensor& x) {
  return x.stride(1) == 1 && x.stride(3) >= x.size(1) && x.stride(2) == x.size(3) * x.stride(3) &&
         x.stride(0) == x.size(2) * x.stride(2);
}

torch::Tensor channels_last(const torch::Tensor& x) {
  return is_channels_last(x) ? x : x.contiguous(torch::MemoryFormat::ChannelsLast);
}

torch::Tensor new_images(torch::IntArrayRef shape, const torch::Tensor& like) {
  return torch::empty(shape, like.options(), torch::MemoryFormat::ChannelsLast);
}

Images images_of(const torch::Tensor& x) {
  return {const_cast<float*>(x.const_data_ptr<float>()), x.size(2), x.size(3), x.stride(3)};
}

Weight weight_of(const torch::Tensor& w) {
  return {const_cast<float*>(w.const_data_ptr<float>()), w.size(0), w.size(1)};
}

/// Transformed tiles of one block.
class Block {
 public:
  Block(Index tiles, Index channels)
      : stride_(tiles * channels + winograd::channel_unit),  // off the stride that cache sets share
        memory_(torch::empty({elements * stride_}, torch::kFloat32)),
        view_{memory_.data_ptr<float>(), stride_, channels} {}

  const Transformed& view() const { return view_; }
  float* element(Index e) const { return view_.data + e * stride_; }

 private:
  Index stride_;
  torch::Tensor memory_;
  Transformed view_;
};

/// Tiles, and how many of them are worked on at once: as many as fit a core's cache, but enough for
/// what is read once per block (weights, sums) to be small beside it.
struct Tiling {
  static constexpr Index cache_floats = 128 * 1024;
  static constexpr Index least = 96;

  Index tiles, block;

  Tiling(const torch::Tensor& images, Index channels)
      : tiles(images.size(0) * ((images.size(2) + 1) / 2) * ((images.size(3) + 1) / 2)),
        block(std::max(least, cache_floats / (elements * channels))) {}

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
  const winograd::Kernels& kernel = *kernels();
  const Index depth = x.size(1);
  const Index columns = y.size(1);
  const Tiling tiling(x, depth + columns);
  const Images from = images_of(x);
  const Images to = images_of(y);
  const float* const weight = u.const_data_ptr<float>();
  const Index panel = kernel.panel(columns);
  at::parallel_for(0, tiling.blocks(), 1, [&](Index begin, Index end) {
    const Index most = std::min(tiling.tiles, tiling.block);
    const Block input(most, depth);
    const Block output(most, columns);
    for (Index i = begin; i < end; ++i) {
      const TileRange tiles = tiling.range(i);
      kernel.input(from, tiles, input.view());
      for (Index e = 0; e < elements; ++e) {
        kernel.multiply({.rows = tiles.end - tiles.begin,
                         .columns = columns,
                         .depth = depth,
                         .a = input.element(e),
                         .a_row = depth,
                         .a_depth = 1,
                         .b = weight + e * depth * columns,
                         .b_row = panel,
                         .b_panel = depth * panel,
                         .c = output.element(e),
                         .c_row = columns,
                         .add = false});
      }
      kernel.output(output.view(), tiles, to);
    }
  });
}

torch::Tensor fast_forward(const torch::Tensor& images, const torch::Tensor& weight) {
  const torch::Tensor w = weight.contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor u = torch::empty({elements * w.size(0) * w.size(1)}, w.options());
  for_outputs(weight_of(w), [&](OutputRange range) {
    kernels()->weight(weight_of(w), range, u.data_ptr<float>());
  });
  torch::Tensor y = new_images({images.size(0), w.size(0), images.size(2), images.size(3)}, images);
  convolve(images, u, y);
  return y;
}

torch::Tensor fast_backward_images(const torch::Tensor& gradient, const torch::Tensor& weight) {
  const torch::Tensor w = weight.contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor u = torch::empty({elements * w.size(0) * w.size(1)}, w.options());
  for_outputs(weight_of(w), [&](OutputRange range) {
    kernels()->turned_weight(weight_of(w), range, u.data_ptr<float>());
  });
  torch::Tensor x =
      new_images({gradient.size(0), w.size(1), gradient.size(2), gradient.size(3)}, gradient);
  convolve(gradient, u, x);
  return x;
}

// The sums go through the tiles in the same blocks and order whatever the number of threads.
torch::Tensor fast_backward_weight(const torch::Tensor& gradient, const torch::Tensor& images) {
  const winograd::Kernels& kernel = *kernels();
  const Index outputs = gradient.size(1);
  const Index inputs = images.size(1);
  const Tiling tiling(images, inputs + outputs);
  const Index most = std::min(tiling.tiles, tiling.block);
  const Block input(most, inputs);
  const Block output(most, outputs);
  const torch::Tensor sums = torch::empty({elements * outputs * inputs}, images.options());
  for (Index i = 0; i < tiling.blocks(); ++i) {
    const TileRange tiles = tiling.range(i);
    const Index count = tiles.end - tiles.begin;
    at::parallel_for(0, count, tiling.least / 2, [&](Index begin, Index end) {
      const auto part = [&](const Block& block) {
        Transformed view = block.view();
        view.data += begin * view.channels;
        return view;
      };
      const TileRange own{tiles.begin + begin, tiles.begin + end};
      kernel.input(images_of(images), own, part(input));
      kernel.gradient(images_of(gradient), own, part(output));
    });
    at::parallel_for(0, elements, 1, [&](Index begin, Index end) {
      for (Index e = begin; e < end; ++e) {
        kernel.multiply({.rows = outputs,
                         .columns = inputs,
                         .depth = count,
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
  torch::Tensor w = new_images({outputs, inputs, 3, 3}, images);
  for_outputs(weight_of(w), [&](OutputRange range) {
    kernel.weight_gradient(sums.const_data_ptr<float>(), range, weight_of(w));
  });
  return w;
}

bool is_autocast(const torch::Tensor& x) {
  return at::autocast::is_autocast_enabled(x.device().type());
}

torch::Tensor plain_backward(const torch::Tensor& gradient, const torch::Tensor& images,
                             const torch::Tensor& weight, std::array<bool, 3> wanted) {
  auto [of_images, of_weight, of_bias] =
      at::convolution_backward(gradient, images, weight, std::nullopt, {1, 1}, {1, 1}, {1, 1},
                               /*transposed=*/false, {0, 0}, 1, wanted);
  return wanted[0] ? of_images : of_weight;
}

struct Conv3x3 : torch::autograd::Function<Conv3x3> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context,
                               const torch::Tensor& images, const torch::Tensor& weight) {
    context->save_for_backward({images, weight});
    return conv3x3_forward(images, weight);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor gradient = channels_last(gradients[0]);
    torch::Tensor of_images, of_weight;
    if (context->needs_input_grad(0)) of_images = conv3x3_backward_images(gradient, saved[1]);
    if (context->needs_input_grad(1)) {
      of_weight = conv3x3_backward_weight(gradient, saved[0], saved[1]);
    }
    return {of_images, of_weight};
  }
};

}  // namespace

bool has_fast_conv3x3(const torch::Tensor& images, const torch::Tensor& weight) {
  const auto whole = [](std::int64_t channels) { return channels % winograd::channel_unit == 0; };
  return kernels() != nullptr && images.is_cpu() && images.scalar_type() == torch::kFloat32 &&
         weight.scalar_type() == torch::kFloat32 && images.numel() > 0 && whole(weight.size(0)) &&
         whole(weight.size(1)) && is_channels_last(images);
}

torch::Tensor conv3x3(const torch::Tensor& images, const torch::Tensor& weight) {
  HARMOFL_EXPECT(images.dim() == 4 && weight.dim() == 4 && weight.size(2) == 3);
  if (is_autocast(images) || !has_fast_conv3x3(images, weight)) {
    return at::conv2d(images, weight, {}, 1, 1);
  }
  return Conv3x3::apply(images, weight);
}

torch::Tensor conv3x3_forward(const torch::Tensor& images, const torch::Tensor& weight) {
  if (has_fast_conv3x3(images, weight)) return fast_forward(images, weight);
  return at::conv2d(images, weight, {}, 1, 1);
}

torch::Tensor conv3x3_backward_images(const torch::Tensor& gradient, const torch::Tensor& weight) {
  if (has_fast_conv3x3(gradient, weight)) return fast_backward_images(gradient, weight);
  const torch::Tensor like =
      new_images({gradient.size(0), weight.size(1), gradient.size(2), gradient.size(3)}, gradient);
  return plain_backward(gradient, like, weight, {true, false, false});
}

torch::Tensor conv3x3_backward_weight(const torch::Tensor& gradient, const torch::Tensor& images,
                                      const torch::Tensor& weight) {
  if (has_fast_conv3x3(images, weight) && is_channels_last(gradient)) {
    return fast_backward_weight(gradient, images);
  }
  return plain_backward(gradient, images, weight, {false, true, false});
}

}  // namespace harmofl
