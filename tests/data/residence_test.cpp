// SPDX-License-Identifier: Apache-2.0
#include "data/batches/residence.hpp"

#include "data/batches/transfer.hpp"

#include <gmock/gmock.h>

#include <optional>
#include <vector>

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

/// A device that is not the CPU and needs no hardware: its tensors have no values.
const torch::Device elsewhere = torch::kMeta;

TEST(Residence, moves_clients_to_the_device_as_long_as_the_budget_has_room) {
  const std::int64_t one = sample_bytes(client_of(7, 2));
  SampleBudget budget(2 * one + one / 2);
  std::vector<ClientData> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(client_of(7, 2));
    settle(clients.back(), elsewhere, &budget);
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const bool there = i < 2;
    for (const Split split : {Split::train, Split::val}) {
      const Samples& samples = clients[i].split(split);
      EXPECT_EQ(samples.images.device() == elsewhere, there) << i;
      EXPECT_EQ(samples.targets.device() == elsewhere, there) << i;
      EXPECT_EQ(samples.batch_device.has_value(), !there) << i;
      EXPECT_EQ(samples.batch_device.value_or(elsewhere), elsewhere);
    }
  }
  EXPECT_EQ(budget.left_bytes(), one / 2);
  clients.erase(clients.begin());
  EXPECT_EQ(budget.left_bytes(), one + one / 2) << "of a client that is gone";
  ClientData last = client_of(7, 2);
  settle(last, elsewhere, &budget);
  EXPECT_EQ(last.split(Split::train).images.device(), elsewhere);
}

TEST(Residence, leaves_samples_in_host_memory_without_a_budget) {
  ClientData client = client_of(3, 1);
  settle(client, elsewhere);
  EXPECT_TRUE(client.split(Split::train).images.is_cpu());
  EXPECT_EQ(client.split(Split::train).batch_device, elsewhere);
}

TEST(Residence, keeps_the_room_of_a_client_for_its_copies) {
  SampleBudget budget(1 << 20);
  std::optional<ClientData> client = client_of(3, 1);
  settle(*client, elsewhere, &budget);
  const ClientData copy = *client;
  client.reset();
  EXPECT_EQ(budget.left_bytes(), (1 << 20) - sample_bytes(copy));
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
