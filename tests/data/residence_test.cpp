// SPDX-License-Identifier: Apache-2.0
#include "data/batches/residence.hpp"

#include "data/batches/transfer.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

ClientData client_of(std::int64_t train, std::int64_t val) {
  ClientData client;
  for (const auto& [split, count] : {std::pair(Split::train, train), std::pair(Split::val, val)}) {
    client.split(split) = {torch::zeros({count, 3, 4, 5}, torch::kUInt8),
                           torch::zeros({count}, torch::kInt64)};
  }
  return client;  // and nothing for test
}

TEST(Residence, counts_the_bytes_of_images_and_targets_of_all_splits) {
  EXPECT_EQ(sample_bytes(client_of(7, 2)), (7 + 2) * (3 * 4 * 5 * 1 + 8));
  EXPECT_EQ(sample_bytes({}), 0);
}

TEST(Residence, leaves_half_of_what_is_free_to_others) {
  EXPECT_TRUE(fits(0, 0));
  EXPECT_TRUE(fits(500, 1000));
  EXPECT_FALSE(fits(501, 1000));
  EXPECT_FALSE(fits(1, 0));
}

TEST(Residence, leaves_samples_on_the_cpu_as_they_are) {
  ClientData client = client_of(3, 1);
  const void* const before = client.split(Split::train).images.data_ptr();
  settle(client, torch::kCPU);
  EXPECT_EQ(client.split(Split::train).images.data_ptr(), before);
  EXPECT_FALSE(client.split(Split::train).batch_device.has_value());
}

TEST(Transfer, copies_numbers_and_rows) {
  std::vector<std::int64_t> numbers{5, 0, -7};
  const torch::Tensor copy = upload(numbers, torch::kCPU);
  numbers.clear();
  EXPECT_TRUE(torch::equal(copy, torch::tensor({5, 0, -7}, torch::kInt64)));
  EXPECT_EQ(upload(std::vector<std::int64_t>{}, torch::kCPU).numel(), 0);

  torch::Tensor table = torch::arange(12, torch::kInt32).view({4, 3});
  const torch::Tensor rows = upload_rows(table, torch::tensor({3, 1}, torch::kInt64), torch::kCPU);
  const torch::Tensor whole = upload(table.narrow(0, 1, 2), torch::kCPU);
  table.zero_();
  EXPECT_TRUE(torch::equal(rows, torch::tensor({{9, 10, 11}, {3, 4, 5}}, torch::kInt32)));
  EXPECT_TRUE(torch::equal(whole, torch::tensor({{3, 4, 5}, {6, 7, 8}}, torch::kInt32)));
}

}  // namespace
}  // namespace harmofl
