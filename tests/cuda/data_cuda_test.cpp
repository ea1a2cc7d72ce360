// SPDX-License-Identifier: Apache-2.0
// Batches, augmentation and amplitude normalisation on the GPU against the CPU.
#include "cuda/gpu_fixture.hpp"
#include "data/batches/batches.hpp"
#include "data/batches/residence.hpp"
#include "model/amplitude/amplitude_normalization.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::random_images;
using test::same_bits;

class BatchesOnGpu : public test::GpuTest {};
class AmplitudeOnGpu : public test::GpuTest {};

/// 23 training samples of random pixels, with masks.
ClientData client() {
  torch::manual_seed(9);
  ClientData data;
  data.site = "clinic";
  data.split(Split::train) = {torch::randint(0, 256, {23, 3, 16, 16}, torch::kUInt8),
                              torch::randint(0, 2, {23, 16, 16}, torch::kUInt8), 255.0};
  return data;
}

std::vector<Batch> batches_of(const Samples& samples, bool shuffled) {
  const BatchOptions options{.batch_size = 8, .max_samples = -1, .augment = true};
  const auto stream_for = [](RngPurpose purpose) {
    return RngStream(7, RoundId{0}, ClientId{0}, purpose);
  };
  BatchStream stream = shuffled ? BatchStream(samples, options, stream_for(RngPurpose::shuffle),
                                              stream_for(RngPurpose::augmentation))
                                : BatchStream(samples, options);
  std::vector<Batch> all;
  while (auto batch = stream.next()) all.push_back(*batch);
  return all;
}

/// Expects the batches of `samples` to lie on `gpu` and to hold the bits of those on the CPU.
void expect_same_batches(const Samples& samples, torch::Device gpu) {
  const Samples host = client().split(Split::train);
  for (const bool shuffled : {false, true}) {
    const auto expected = batches_of(host, shuffled);
    const auto found = batches_of(samples, shuffled);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].images.device(), gpu);
      EXPECT_EQ(found[i].targets.device(), gpu);
      EXPECT_TRUE(same_bits(found[i].images.cpu(), expected[i].images)) << "shuffled " << shuffled;
      EXPECT_TRUE(torch::equal(found[i].targets.cpu(), expected[i].targets));
    }
  }
}

TEST_F(BatchesOnGpu, have_the_bits_of_the_cpu_when_samples_are_resident) {
  ClientData data = client();
  SampleBudget budget(sample_bytes(data));
  settle(data, gpu, &budget);
  EXPECT_EQ(data.split(Split::train).images.device(), gpu);
  expect_same_batches(data.split(Split::train), gpu);
}

TEST_F(BatchesOnGpu, have_the_bits_of_the_cpu_when_samples_stay_in_host_memory) {
  ClientData data = client();
  data.split(Split::train).batch_device = gpu;
  expect_same_batches(data.split(Split::train), gpu);
}

TEST_F(AmplitudeOnGpu, normalises_as_on_the_cpu_in_every_band) {
  constexpr double image_tolerance =
      1e-6;  ///< Tolerance of pixels in [0, 1]: a last bit of float32.
  constexpr double amplitude_tolerance = 1e-6;  ///< Relative.
  for (const std::string band : {"dc", "low:0.1", "full"}) {
    AmplitudeOptions options;
    parse_band(band, options);
    AmplitudeNormalization on_cpu(options, 3, 32, 24);
    AmplitudeNormalization on_gpu(options, 3, 32, 24);
    on_gpu.running_amplitude() = on_gpu.running_amplitude().to(gpu);
    for (const std::uint64_t seed : {1, 2, 3}) {  // the first sets R, the others move it
      const torch::Tensor images = random_images({5, 3, 32, 24}, seed) - 0.3;
      const torch::Tensor expected = on_cpu.observe(images);
      const torch::Tensor found = on_gpu.observe(images.to(gpu));
      EXPECT_EQ(found.device(), gpu);
      EXPECT_LT(test::distance(found.cpu(), expected), image_tolerance) << band;
    }
    EXPECT_LT(test::relative_error(on_gpu.running_amplitude(), on_cpu.running_amplitude()),
              amplitude_tolerance)
        << band;
  }
}

}  // namespace
}  // namespace harmofl
