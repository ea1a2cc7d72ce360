// SPDX-License-Identifier: Apache-2.0
// Samples that are read as they are needed, held against the same ones in memory.
#include "data/batches/batches.hpp"
#include "data/batches/block_reader.hpp"
#include "data/batches/first_samples.hpp"
#include "data/batches/residence.hpp"
#include "harmofl/base/error.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <torch/types.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <random>
#include <set>
#include <thread>

namespace harmofl {
namespace {

using test::user_error_of;
using testing::HasSubstr;

/// Numbers that are their position.
class CountingSource : public SampleSource {
 public:
  explicit CountingSource(std::int64_t count) : count_(count) {}

  std::int64_t count() const override { return count_; }
  SampleBlock make_block(std::int64_t count) const override {
    return {torch::empty({count, 1, 1, 1}, torch::kUInt8), torch::empty({count}, torch::kInt64)};
  }
  void read(std::span<const std::int64_t> rows, SampleBlock& block) const override {
    ++reads;
    // Not in the order in which they were begun.
    std::this_thread::sleep_for(std::chrono::microseconds(rows.front() * 37 % 200));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == bad_row) throw UserError(concat("sample ", rows[i], " is bad"));
      block.targets.mutable_data_ptr<std::int64_t>()[i] = rows[i];
    }
  }
  void check_unchanged() const override { ++checks; }

  std::int64_t bad_row = -1;
  mutable std::atomic<int> reads = 0;
  mutable std::atomic<int> checks = 0;

 private:
  std::int64_t count_;
};

std::vector<std::int64_t> backwards(std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.rbegin(), order.rend(), 0);
  return order;
}

TEST(BlockReader, gives_batches_in_order_whoever_reads_them) {
  for (const std::int64_t threads : {1, 2, 5}) {
    const auto source = std::make_shared<CountingSource>(103);
    BlockReader reader(source, backwards(103), 10, {.threads = threads});
    std::vector<std::int64_t> seen;
    for (int batch = 0; batch < 11; ++batch) {
      const SampleBlock& block = reader.next();
      const auto* first = block.targets.const_data_ptr<std::int64_t>();
      seen.insert(seen.end(), first, first + (batch < 10 ? 10 : 3));
    }
    EXPECT_EQ(seen, backwards(103));
    EXPECT_EQ(source->checks, 1);
  }
}

TEST(FirstSamples, are_those_at_the_start_in_memory) {
  Samples all;
  all.images = torch::arange(5 * 2 * 3 * 4, torch::kUInt8).view({5, 2, 3, 4});
  all.targets = torch::arange(5 * 3 * 4, torch::kUInt8).view({5, 3, 4});
  const Samples first = first_samples(all, 2);
  EXPECT_EQ(first.count(), 2);
  EXPECT_TRUE(torch::equal(first.images, all.images.slice(0, 0, 2)));
  EXPECT_TRUE(torch::equal(first.targets, all.targets.slice(0, 0, 2)));
  EXPECT_EQ(first_samples(all, 9).count(), 5) << "no more than there are";
}

TEST(FirstSamples, of_a_source_are_read_from_it) {
  const auto source = std::make_shared<CountingSource>(103);
  Samples all;
  all.source = source;
  const Samples first = first_samples(all, 12);
  ASSERT_EQ(first.count(), 12);
  BlockReader reader(first.source, backwards(12), 12);
  EXPECT_EQ(reader.next().targets[0].item<std::int64_t>(), 11);
  EXPECT_EQ(source->checks, 1) << "that the file is the one that was opened is asked of the source";
}

TEST(BlockReader, stays_no_further_ahead_than_it_may) {
  const auto source = std::make_shared<CountingSource>(1000);
  BlockReader reader(source, backwards(1000), 10, {.bytes = 0, .least = 3, .most = 3});
  for (int batch = 1; batch <= 20; ++batch) {
    reader.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_LE(source->reads, batch + 3);
  }
}

TEST(BlockReader, leaves_a_batch_alone_until_the_next_one_is_asked_for) {
  const auto source = std::make_shared<CountingSource>(100);
  BlockReader reader(source, backwards(100), 10, {.bytes = 0, .least = 1, .most = 1});
  for (std::int64_t batch = 0; batch < 10; ++batch) {
    const SampleBlock& block = reader.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(block.targets[0].item<std::int64_t>(), 99 - 10 * batch);
  }
}

TEST(BlockReader, throws_what_a_thread_threw_when_that_batch_is_asked_for) {
  const auto source = std::make_shared<CountingSource>(100);
  source->bad_row = 72;  // in the third batch
  BlockReader reader(source, backwards(100), 10);
  reader.next();
  reader.next();
  EXPECT_THAT(user_error_of([&] { reader.next(); }), HasSubstr("sample 72 is bad"));
}

TEST(BlockReader, may_be_left_at_any_time) {
  for (int taken = 0; taken < 4; ++taken) {
    BlockReader reader(std::make_shared<CountingSource>(1000), backwards(1000), 10);
    for (int i = 0; i < taken; ++i) reader.next();
  }
  BlockReader(std::make_shared<CountingSource>(0), {}, 10);
}

constexpr std::int64_t samples_a_split = 23;

/// Two shards of random images that are not square, and clients that hold some of them.
class Streaming : public testing::TestWithParam<std::tuple<Task, PixelType, int>> {
 protected:
  Streaming() {
    for (const char* site : {"a", "b"}) write(site);
  }

  void write(const std::string& site) {
    const auto [task, pixels, deflate] = GetParam();
    ShardInfo info;
    info.site = site;
    info.task = task;
    info.class_names = {"x", "y"};
    info.pixel_type = pixels;
    info.height = 5;
    info.width = 7;
    info.preprocessing = "{}";
    paths_.push_back(folder_ / (site + ".h5"));
    ShardWriter writer(paths_.back(), info, deflate);
    for (const Split split : {Split::train, Split::val}) writer.write(split, random_split(info));
    writer.commit();
  }

  SplitData random_split(const ShardInfo& info) {
    SplitData data;
    data.images.resize(static_cast<std::size_t>(samples_a_split * info.values_per_image()) *
                       size_bytes(info.pixel_type));
    // A float whose bytes are each below 64 is finite.
    for (std::byte& byte : data.images) byte = static_cast<std::byte>(random_() % 64);
    for (std::int64_t i = 0; i < samples_a_split; ++i) {
      data.ids.push_back(concat("s", next_id_++));
      if (info.task == Task::classification) data.labels.push_back(i % 2);
      if (info.task == Task::classification) continue;
      for (std::int64_t p = 0; p < info.pixels(); ++p)
        data.masks.push_back(static_cast<std::uint8_t>(random_() % 2));
    }
    return data;
  }

  test::TempFolder folder_;
  std::vector<std::filesystem::path> paths_;
  std::mt19937 random_{5};
  int next_id_ = 0;
};

std::vector<Batch> read_all(BatchStream stream) {
  std::vector<Batch> batches;
  while (std::optional<Batch> batch = stream.next()) batches.push_back(std::move(*batch));
  return batches;
}

void expect_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(torch::equal(a[i].images, b[i].images)) << i;
    EXPECT_TRUE(torch::equal(a[i].targets, b[i].targets)) << i;
    EXPECT_EQ(a[i].images.strides(), b[i].images.strides());
    EXPECT_EQ(a[i].targets.scalar_type(), torch::kInt64);
  }
}

RngStream draws_for(RngPurpose purpose) { return {3, RoundId{2}, ClientId{1}, purpose}; }

TEST_P(Streaming, gives_the_batches_of_memory_in_the_same_order) {
  ShardPool pool(paths_);
  ClientPart part{"made"};
  for (std::int64_t row = 0; row < samples_a_split; ++row) {
    part.samples[0].push_back({0, row});
    if (row % 3 == 0) part.samples[0].push_back({1, row});
    if (row % 2 == 1) part.samples[1].push_back({1, row});
  }
  std::ranges::sort(part.samples[0]);
  const ClientData memory = load_client(part, pool, torch::kCPU);
  const ClientData streamed = load_client(part, pool, torch::kCPU, Residence::stream);
  EXPECT_EQ(sample_bytes(streamed), 0);
  EXPECT_GT(sample_bytes(memory), 0);
  for (const Split split : all_splits) {
    const Samples &held = memory.split(split), &read = streamed.split(split);
    EXPECT_EQ(read.count(), held.count());
    EXPECT_EQ(read.intensity_scale, held.intensity_scale);
    for (const std::int64_t size : {1, 4, 100}) {
      for (const std::int64_t most : {-1, 9}) {
        for (const auto format :
             {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
          BatchOptions options{size, most, split == Split::train, format};
          expect_same(read_all({held, options}), read_all({read, options}));
          const auto shuffled = [&](const Samples& samples) {
            return read_all({samples, options, draws_for(RngPurpose::shuffle),
                             draws_for(RngPurpose::augmentation)});
          };
          expect_same(shuffled(held), shuffled(read));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, Streaming,
                         testing::Combine(testing::Values(Task::segmentation, Task::classification),
                                          testing::Values(PixelType::uint8, PixelType::float32),
                                          testing::Values(0, 3)));

TEST(Residence, sends_batches_of_a_stream_to_the_gpu) {
  ClientData client;
  client.split(Split::train).source = std::make_shared<CountingSource>(3);
  settle(client, torch::kCPU);
  EXPECT_FALSE(client.split(Split::train).batch_device.has_value());
  settle(client, torch::Device(torch::kCUDA, 0));  // asks no GPU
  EXPECT_EQ(client.split(Split::train).batch_device, torch::Device(torch::kCUDA, 0));
}

}  // namespace
}  // namespace harmofl
