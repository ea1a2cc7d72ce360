// SPDX-License-Identifier: Apache-2.0
#include "kernels/rows.hpp"

#include "base/host_paths.hpp"
#include "kernels/choice.hpp"

#include <ATen/core/LegacyTypeDispatch.h>

namespace harmofl {

std::optional<std::int64_t> row_stride(const torch::Tensor& images) {
  if (images.dim() != 4 || images.numel() == 0) return std::nullopt;
  const auto size = images.sizes();
  const auto stride = images.strides();
  const std::int64_t pixel = size[3] > 1   ? stride[3]
                             : size[2] > 1 ? stride[2]
                             : size[0] > 1 ? stride[0]
                                           : size[1];
  const bool in_order = (size[1] == 1 || stride[1] == 1) && pixel >= size[1] &&
                        (size[2] == 1 || stride[2] == size[3] * pixel) &&
                        (size[0] == 1 || stride[0] == size[2] * size[3] * pixel);
  return in_order ? std::optional(pixel) : std::nullopt;
}

bool fits_row_kernels(const torch::Tensor& images) {
  const auto type = images.scalar_type();
  return kernels_in_use() == Kernels::own && images.is_cpu() && host_paths_in_use() &&
         (type == torch::kFloat32 || type == torch::kBFloat16) && row_stride(images).has_value();
}

torch::Tensor as_matrix(const torch::Tensor& images) {
  return images.as_strided({images.size(0) * images.size(2) * images.size(3), images.size(1)},
                           {*row_stride(images), 1});
}

torch::Tensor with_rows(const torch::Tensor& images) {
  return row_stride(images) ? images : images.contiguous(torch::MemoryFormat::ChannelsLast);
}

torch::Tensor channel_slice(const torch::Tensor& images, std::int64_t first, std::int64_t count) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  return images.narrow(1, first, count);
}

}  // namespace harmofl
