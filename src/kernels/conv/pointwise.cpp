// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv/pointwise.hpp"

#include "harmofl/base/error.hpp"
#include "kernels/conv/row_products.hpp"

namespace harmofl::kernels {
namespace {

torch::Tensor as_matrix_of_weight(const torch::Tensor& weight) {
  return weight.view({weight.size(0), weight.size(1)});
}

}  // namespace

void convolve_pointwise(const torch::Tensor& images, const torch::Tensor& weight,
                        const torch::Tensor& out) {
  if (images.scalar_type() != torch::kFloat32) {
    torch::Tensor to = as_matrix(out);
    at::mm_out(to, as_matrix(images), as_matrix_of_weight(weight).t());
    return;
  }
  HARMOFL_EXPECT(weight.is_contiguous());
  multiply(rows_of<const float>(images), {weight.const_data_ptr<float>(), 1, weight.size(1)},
           rows_of<float>(out), /*add=*/false);
}

void add_pointwise_gradient(const torch::Tensor& gradient, const torch::Tensor& weight,
                            const torch::Tensor& sum) {
  if (gradient.scalar_type() != torch::kFloat32) {
    as_matrix(sum).addmm_(as_matrix(gradient), as_matrix_of_weight(weight));
    return;
  }
  HARMOFL_EXPECT(weight.is_contiguous());
  multiply(rows_of<const float>(gradient), {weight.const_data_ptr<float>(), weight.size(1), 1},
           rows_of<float>(sum), /*add=*/true);
}

torch::Tensor pointwise_weight_gradient(const torch::Tensor& gradient,
                                        const torch::Tensor& images) {
  const std::vector<std::int64_t> shape{gradient.size(1), images.size(1), 1, 1};
  if (gradient.scalar_type() != torch::kFloat32) {
    return at::mm(as_matrix(gradient).t(), as_matrix(images)).view(shape);
  }
  torch::Tensor sum = torch::zeros(shape, gradient.options().memory_format(std::nullopt));
  add_transposed_product(rows_of<const float>(gradient), rows_of<const float>(images),
                         {sum.data_ptr<float>(), gradient.size(1), images.size(1), images.size(1)});
  return sum;
}

}  // namespace harmofl::kernels
