// SPDX-License-Identifier: Apache-2.0
// The ways in which batches are cut for a GPU, tried in host memory: resident samples, and samples
// that are sent one batch ahead. Each has to give the bits of the one pass that the CPU takes.
#include "base/host_paths.hpp"
#include "data/batches/batches.hpp"

#include <gmock/gmock.h>
#include <torch/utils.h>

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

RngStream drawn_for(RngPurpose purpose) { return {3, RoundId{0}, ClientId{1}, purpose}; }

/// 23 images of 6 x 6 or, not square, 6 x 4 pixels; masks or labels.
Samples random_samples(bool masks, std::int64_t width) {
  torch::manual_seed(5);
  Samples samples;
  samples.images = torch::randint(0, 256, {23, 3, 6, width}, torch::kUInt8);
  samples.targets = masks ? torch::randint(0, 2, {23, 6, width}, torch::kUInt8)
                          : torch::arange(23, torch::kInt64);
  samples.intensity_scale = 255.0;
  return samples;
}

/// Reads from tensors in memory.
class TensorSource final : public SampleSource {
 public:
  explicit TensorSource(Samples samples) : samples_(std::move(samples)) {}

  std::int64_t count() const override { return samples_.count(); }
  SampleBlock make_block(std::int64_t count) const override {
    auto like = [&](const torch::Tensor& all) {
      std::vector<std::int64_t> sizes = all.sizes().vec();
      sizes.front() = count;
      return torch::empty(sizes, all.options());
    };
    return {like(samples_.images), like(samples_.targets)};
  }
  void read(std::span<const std::int64_t> rows, SampleBlock& block) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto to = static_cast<std::int64_t>(i);
      block.images[to].copy_(samples_.images[rows[i]]);
      block.targets[to].copy_(samples_.targets[rows[i]]);
    }
  }
  void check_unchanged() const override {}

 private:
  Samples samples_;
};

struct Pass {
  bool shuffled;
  bool augmented;
  std::int64_t skipped;
  std::int64_t most;
};

const Pass passes[] = {{false, false, 0, -1}, {false, false, 2, -1}, {true, false, 0, -1},
                       {true, true, 0, -1},   {true, true, 3, -1},   {true, true, 0, 11}};

std::vector<Batch> batches_of(const Samples& samples, const Pass& pass,
                              BatchBuffers* buffers = nullptr) {
  const BatchOptions options{.batch_size = 5, .max_samples = pass.most, .augment = pass.augmented};
  std::vector<Batch> batches;
  const auto take = [&](BatchStream stream) {
    if (pass.skipped > 0) stream.skip(pass.skipped);
    while (auto batch = stream.next()) batches.push_back(std::move(*batch));
    EXPECT_FALSE(stream.next().has_value()) << "at the end for good";
  };
  if (pass.shuffled) {
    take({samples, options, drawn_for(RngPurpose::shuffle), drawn_for(RngPurpose::augmentation),
          buffers});
  } else {
    take({samples, options, buffers});
  }
  return batches;
}

void expect_same(const std::vector<Batch>& found, const std::vector<Batch>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].images.scalar_type(), torch::kFloat32);
    EXPECT_TRUE(torch::equal(found[i].images, expected[i].images)) << "batch " << i;
    EXPECT_TRUE(torch::equal(found[i].targets, expected[i].targets)) << "batch " << i;
  }
}

TEST(BatchesForAGpu, have_the_bits_of_the_cpu_resident_sent_ahead_and_streamed) {
  for (const bool masks : {false, true}) {
    for (const std::int64_t width : {6, 4}) {
      const Samples samples = random_samples(masks, width);
      Samples sent = samples;
      sent.batch_device = torch::kCPU;
      Samples streamed;
      streamed.intensity_scale = samples.intensity_scale;
      streamed.source = std::make_shared<TensorSource>(samples);
      streamed.batch_device = torch::kCPU;
      for (const Pass& pass : passes) {
        const std::vector<Batch> expected = batches_of(samples, pass);
        const GpuPaths paths;
        expect_same(batches_of(samples, pass), expected);
        expect_same(batches_of(sent, pass), expected);
        expect_same(batches_of(streamed, pass), expected);
      }
    }
  }
}

TEST(BatchesForAGpu, have_the_same_bits_from_buffers_that_are_used_again) {
  const Samples square = random_samples(true, 6), wide = random_samples(true, 4);
  const Pass pass{true, true, 0, -1};
  const std::vector<Batch> expected_square = batches_of(square, pass);
  const std::vector<Batch> expected_wide = batches_of(wide, pass);
  const GpuPaths paths;
  BatchBuffers buffers;
  expect_same(batches_of(square, pass, &buffers), expected_square);
  expect_same(batches_of(square, pass, &buffers), expected_square);
  expect_same(batches_of(wide, pass, &buffers), expected_wide);  // another table of turns
}

TEST(BatchBuffers, make_the_table_of_turns_once_for_a_size) {
  BatchBuffers buffers;
  const void* const first = buffers.turns(6, 6, torch::kCPU).const_data_ptr();
  EXPECT_EQ(buffers.turns(6, 6, torch::kCPU).const_data_ptr(), first);
  EXPECT_EQ(buffers.turns(6, 4, torch::kCPU).size(1), 24);
  EXPECT_TRUE(torch::equal(buffers.turns(4, 6, torch::kCPU), pixel_sources(4, 6, torch::kCPU)))
      << "as many pixels, other turns";
}

TEST(BatchesForAGpu, are_sent_one_ahead_and_no_more) {
  Samples samples = random_samples(false, 6);
  samples.batch_device = torch::kCPU;
  const GpuPaths paths;
  BatchStream stream(samples, {.batch_size = 5});
  const Batch first = *stream.next();
  samples.images.zero_();  // the second was sent before, the third was not
  EXPECT_GT(first.images.sum().item<double>(), 0.0);
  EXPECT_GT(stream.next()->images.sum().item<double>(), 0.0);
  EXPECT_EQ(stream.next()->images.sum().item<double>(), 0.0);
}

TEST(CopyStream, does_the_work_at_once_on_the_cpu) {
  CopyStream stream(torch::kCPU);
  bool done = false;
  stream.run([&] { done = true; });
  EXPECT_TRUE(done);
  stream.hand_over({torch::ones({1})});
}

}  // namespace
}  // namespace harmofl
