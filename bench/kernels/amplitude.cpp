// SPDX-License-Identifier: Apache-2.0
// amplitude/BAND/frozen|observing/SHAPE/rows|channels-last/memory|cache, against
//   copy/SHAPE/memory|cache           one read and one write of the batch
//   transforms/SHAPE/float64|float32  one rfft2 and one irfft2 of the batch
//   libtorch/BAND/SHAPE               the same, frozen and in rows, by libtorch's operations
#include "add.hpp"
#include "harmofl/base/text.hpp"
#include "model/amplitude/amplitude_normalization.hpp"
#include "model/amplitude_oracle.hpp"
#include "model/tensors.hpp"
#include "ring.hpp"

#include <torch/fft.h>

namespace harmofl::bench {
namespace {

struct Shape {
  std::int64_t batch, side;

  std::string text() const { return concat(batch, "x3x", side, "x", side); }
  torch::Tensor images() const {
    return test::random_images({batch, 3, side, side}, 1).mul(255.0).floor().div(255.0);
  }
};

constexpr Shape shapes[] = {{4, 384}, {8, 256}, {32, 96}};
constexpr double tolerance = 1e-5;

struct Case {
  std::string band;
  bool frozen, channels_last, cached;
  Shape shape;

  std::string name() const {
    return concat("amplitude/", band, frozen ? "/frozen/" : "/observing/", shape.text(),
                  channels_last ? "/channels-last" : "/rows", cached ? "/cache" : "/memory");
  }
};

void amplitude(benchmark::State& state, const Case& test_case) {
  const torch::NoGradGuard no_grad;
  AmplitudeOptions options;
  parse_band(test_case.band, options);
  const Shape& shape = test_case.shape;
  const torch::Tensor images =
      shape.images().contiguous(test_case.channels_last ? torch::MemoryFormat::ChannelsLast
                                                        : torch::MemoryFormat::Contiguous);
  AmplitudeNormalization layer(options, 3, shape.side, shape.side);
  test::OracleAmplitude oracle(options, images);
  if (!(test::distance(layer.observe(images), oracle.observe(images)) < tolerance)) {
    return state.SkipWithError("the images differ from those by libtorch's operations");
  }
  if (test_case.frozen) layer.freeze();
  Ring ring(images, test_case.cached);
  for (auto _ : state) {
    const std::size_t i = ring.next();
    ring.out[i] = layer.observe(ring.in[i]);
  }
}

void libtorch(benchmark::State& state, const std::string& band, const Shape& shape) {
  const torch::NoGradGuard no_grad;
  AmplitudeOptions options;
  parse_band(band, options);
  Ring ring(shape.images(), false);
  test::OracleAmplitude oracle(options, ring.in.front());
  oracle.observe(ring.in.front());
  for (auto _ : state) {
    const std::size_t i = ring.next();
    ring.out[i] = oracle.normalize(ring.in[i]);
  }
}

void copy(benchmark::State& state, const Shape& shape, bool cached) {
  const torch::NoGradGuard no_grad;
  Ring ring(shape.images(), cached);
  for (auto _ : state) {
    const std::size_t i = ring.next();
    ring.out[i].copy_(ring.in[i]);
  }
}

void transforms(benchmark::State& state, const Shape& shape, torch::Dtype type) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor images = shape.images().to(type);
  torch::Tensor back;
  for (auto _ : state) back = torch::fft::irfft2(torch::fft::rfft2(images));
  if (!(test::distance(back, images) < tolerance)) state.SkipWithError("no way back");
}

void add_case(const Case& test_case) {
  add(test_case.name(), [=](benchmark::State& state) { amplitude(state, test_case); });
}

const bool registered = [] {
  for (const Shape& shape : shapes) {
    for (const bool cached : {false, true}) {
      add(concat("copy/", shape.text(), cached ? "/cache" : "/memory"),
          [=](benchmark::State& state) { copy(state, shape, cached); });
      for (const bool last : {false, true}) add_case(Case{"dc", true, last, cached, shape});
    }
    add_case(Case{"dc", false, false, false, shape});
    for (const std::string band : {"low:0.1", "full"}) {
      for (const bool last : {false, true}) add_case(Case{band, true, last, false, shape});
      add_case(Case{band, false, false, false, shape});
    }
    for (const std::string band : {"dc", "low:0.1", "full"}) {
      add(concat("libtorch/", band, "/", shape.text()),
          [=](benchmark::State& state) { libtorch(state, band, shape); });
    }
    add(concat("transforms/", shape.text(), "/float64"),
        [=](benchmark::State& state) { transforms(state, shape, torch::kFloat64); });
    add(concat("transforms/", shape.text(), "/float32"),
        [=](benchmark::State& state) { transforms(state, shape, torch::kFloat32); });
  }
  return true;
}();

}  // namespace
}  // namespace harmofl::bench
