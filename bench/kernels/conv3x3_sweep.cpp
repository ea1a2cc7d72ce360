// SPDX-License-Identifier: Apache-2.0
// Where Winograd's convolutions pay: CPU time over that of libtorch's on the same channels-last
// tensors, by tiles and channels. The two run in turn; a cell is the median of the pairs' ratios,
// with the quartiles of the training step (forward and both gradients).
//
//   taskset -c 1 bench_conv3x3_sweep [bf16]
#include "base/process/memory.hpp"
#include "kernels/conv/winograd_conv3x3.hpp"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <vector>

namespace harmofl {
namespace {

constexpr int pairs = 15;
constexpr double seconds_a_run = 2e-3;

double cpu_seconds(int times, const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double begin = now();
  for (int i = 0; i < times; ++i) work();
  return now() - begin;
}

/// First quartile, median and third quartile of the ratios of CPU time, own over libtorch's.
std::array<double, 3> ratios(const std::function<void()>& own, const std::function<void()>& plain) {
  own(), plain();
  const double once = std::max(1e-6, cpu_seconds(1, own));
  const int times = std::clamp(static_cast<int>(seconds_a_run / once), 1, 1000);
  std::vector<double> all;
  for (int i = 0; i < pairs; ++i)
    all.push_back(cpu_seconds(times, own) / cpu_seconds(times, plain));
  std::ranges::sort(all);
  return {all[pairs / 4], all[pairs / 2], all[pairs - 1 - pairs / 4]};
}

void compare(std::int64_t batch, std::int64_t side, std::int64_t in, std::int64_t out,
             torch::ScalarType type) {
  constexpr auto last = torch::MemoryFormat::ChannelsLast;
  const torch::Tensor x = torch::randn({batch, in, side, side}).to(type).contiguous(last);
  const torch::Tensor g = torch::randn({batch, out, side, side}).to(type).contiguous(last);
  const torch::Tensor w = torch::randn({out, in, 3, 3}).contiguous(last);
  if (!fits_winograd(x, w)) {
    std::printf("no kernel for this type on this processor\n");
    std::exit(1);
  }
  const auto plain_backward = [&](bool images) {
    return at::convolution_backward(g, x, w.to(type), std::nullopt, {1, 1}, {1, 1}, {1, 1}, false,
                                    {0, 0}, 1, {images, !images, false});
  };
  const std::array<std::function<void()>, 3> own{[&] { winograd_forward(x, w); },
                                                 [&] { winograd_backward_images(g, w); },
                                                 [&] { winograd_backward_weight(g, x); }};
  const std::array<std::function<void()>, 3> plain{[&] { at::conv2d(x, w.to(type), {}, 1, 1); },
                                                   [&] { plain_backward(true); },
                                                   [&] { plain_backward(false); }};
  const auto all = [](const auto& works) {
    return [&] {
      for (const auto& work : works) work();
    };
  };
  const std::int64_t rows = (side + 1) / 2;
  std::printf("%5ld %5ld %4ld %4ld", batch, batch * rows * rows, in, out);
  for (std::size_t i = 0; i < own.size(); ++i) std::printf(" %7.2f", ratios(own[i], plain[i])[1]);
  const auto [low, middle, high] = ratios(all(own), all(plain));
  std::printf(" %7.2f (%.2f to %.2f)\n", middle, low, high);
  std::fflush(stdout);
}

}  // namespace
}  // namespace harmofl

int main(int argc, char** argv) {
  using namespace harmofl;
  keep_freed_memory();
  at::set_num_threads(1);
  const torch::NoGradGuard no_grad;
  const bool narrow = argc > 1 && std::strcmp(argv[1], "bf16") == 0;
  std::printf("batch tiles   in  out forward  images  weight   step, own / libtorch\n");
  for (const auto& [in, out] : {std::pair{16, 16},
                                {16, 32},
                                {32, 32},
                                {64, 32},
                                {64, 64},
                                {128, 32},
                                {128, 128},
                                {256, 256}}) {
    for (const auto& [batch, side] : {std::pair{1, 2},
                                      {1, 4},
                                      {1, 8},
                                      {1, 16},
                                      {2, 2},
                                      {4, 2},
                                      {16, 2},
                                      {16, 4},
                                      {16, 8},
                                      {16, 16},
                                      {16, 32}}) {
      compare(batch, side, in, out, narrow ? torch::kBFloat16 : torch::kFloat32);
    }
  }
  return 0;
}
