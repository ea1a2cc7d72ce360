// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv/upconv2x2.hpp"

#include "harmofl/base/error.hpp"
#include "kernels/conv/row_products.hpp"
#include "kernels/rows.hpp"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace harmofl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t elements_a_thread = 1 << 15;

/// The weight as a matrix [C, 4K]: columns by row and column of the 2x2 pixels, then channel.
torch::Tensor matrix_of(const torch::Tensor& weight) {
  return weight.contiguous(torch::MemoryFormat::ChannelsLast)
      .permute({0, 2, 3, 1})
      .reshape({weight.size(0), 4 * weight.size(1)});
}

/// Calls work(source, target) for pairs of stretches of `channels` values: of the row of `blocks`
/// [pixels of the small images, 4 channels] and of the pixel of `images` [B, K, 2H, 2W] that belong
/// together.
template <class T, class Work>
void for_pixels(const torch::Tensor& blocks, const torch::Tensor& images, const Work& work) {
  T* const from = blocks.data_ptr<T>();
  const Rows<T> to = rows_of<T>(images);
  const std::int64_t channels = to.channels;
  const std::int64_t width = images.size(3) / 2;
  const std::int64_t rows = images.size(0) * images.size(2) / 2;  // of the small images
  const std::int64_t grain = std::max<std::int64_t>(1, elements_a_thread / (4 * width * channels));
  at::parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t x = 0; x < width; ++x) {
        T* const block = from + (row * width + x) * 4 * channels;
        const std::int64_t upper = row * 4 * width + 2 * x;  // pixels of the upper left
        const std::int64_t lower = upper + 2 * width;
        work(block, to.row(upper));
        work(block + channels, to.row(upper + 1));
        work(block + 2 * channels, to.row(lower));
        work(block + 3 * channels, to.row(lower + 1));
      }
    }
  });
}

void scatter_with_bias(const torch::Tensor& blocks, const torch::Tensor& bias,
                       const torch::Tensor& out) {
  const float* const shift = bias.const_data_ptr<float>();
  const std::int64_t channels = out.size(1);
  for_pixels<float>(blocks, out, [shift, channels](const float* from, float* to) {
    for (std::int64_t k = 0; k < channels; ++k) to[k] = from[k] + shift[k];
  });
}

template <class T>
void scatter(const torch::Tensor& blocks, const torch::Tensor& out) {
  const std::int64_t channels = out.size(1);
  for_pixels<T>(blocks, out,
                [channels](const T* block, T* pixel) { std::copy_n(block, channels, pixel); });
}

template <class T>
torch::Tensor gathered(const torch::Tensor& images) {
  const std::int64_t channels = images.size(1);
  const std::int64_t pixels = images.size(0) * images.size(2) * images.size(3) / 4;
  torch::Tensor blocks =
      torch::empty({pixels, 4 * channels}, images.options().memory_format(std::nullopt));
  for_pixels<T>(blocks, images,
                [channels](T* block, const T* pixel) { std::copy_n(pixel, channels, block); });
  return blocks;
}

/// A contiguous or row-strided matrix for the project's own products.
Rows<const float> rows_of_matrix(const torch::Tensor& matrix) {
  return {matrix.const_data_ptr<float>(), matrix.size(0), matrix.size(1), matrix.stride(0)};
}

Rows<float> new_rows(torch::Tensor& matrix) {
  return {matrix.data_ptr<float>(), matrix.size(0), matrix.size(1), matrix.stride(0)};
}

/// a b, in float32 by the project's own products.
torch::Tensor product(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.scalar_type() != torch::kFloat32) return at::mm(a, b);
  torch::Tensor out = torch::empty({a.size(0), b.size(1)}, a.options().memory_format(std::nullopt));
  kernels::multiply(rows_of_matrix(a), {b.const_data_ptr<float>(), b.stride(0), b.stride(1)},
                    new_rows(out), /*add=*/false);
  return out;
}

/// a' b, float32.
torch::Tensor transposed_product(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.scalar_type() != torch::kFloat32) return at::mm(a.t(), b).to(torch::kFloat32);
  torch::Tensor out = torch::zeros({a.size(1), b.size(1)}, a.options().memory_format(std::nullopt));
  kernels::add_transposed_product(rows_of_matrix(a), rows_of_matrix(b), new_rows(out));
  return out;
}

struct UpConv2x2 : torch::autograd::Function<UpConv2x2> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& images,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               const torch::Tensor& out) {
    context->save_for_backward({images, weight});
    const torch::Tensor matrix = matrix_of(weight).to(images.scalar_type());
    if (images.scalar_type() == torch::kFloat32) {
      scatter_with_bias(product(as_matrix(images), matrix), bias, out);
    } else {
      // the bias within the product, so that a result is rounded to bfloat16 once
      const torch::Tensor shift = bias.to(images.scalar_type()).repeat({4});
      scatter<c10::BFloat16>(at::addmm(shift, as_matrix(images), matrix), out);
    }
    return channel_slice(out, 0, out.size(1));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor& images = saved[0];
    const torch::Tensor& weight = saved[1];
    const torch::Tensor g = with_rows(gradients[0]);
    const torch::Tensor blocks =
        g.scalar_type() == torch::kFloat32 ? gathered<float>(g) : gathered<c10::BFloat16>(g);
    const std::int64_t outputs = weight.size(1);
    variable_list result(4);
    if (context->needs_input_grad(0)) {
      const torch::Tensor matrix = matrix_of(weight).to(g.scalar_type());
      result[0] = product(blocks, matrix.t())
                      .view({images.size(0), images.size(2), images.size(3), images.size(1)})
                      .permute({0, 3, 1, 2});
    }
    result[1] = transposed_product(as_matrix(images), blocks)
                    .view({weight.size(0), 2, 2, outputs})
                    .permute({0, 3, 1, 2});
    result[2] = blocks.view({-1, outputs}).sum(0, /*keepdim=*/false, torch::kFloat32);
    return result;
  }
};

}  // namespace

torch::Tensor upconv2x2(const torch::Tensor& images, const torch::Tensor& weight,
                        const torch::Tensor& bias, const torch::Tensor& out) {
  HARMOFL_EXPECT(fits_row_kernels(images) && row_stride(out).has_value());
  HARMOFL_EXPECT(out.size(2) == 2 * images.size(2) && out.size(3) == 2 * images.size(3));
  return UpConv2x2::apply(images, weight, bias, out);
}

}  // namespace harmofl
