// SPDX-License-Identifier: Apache-2.0
#include "harmofl/data/partition.hpp"

#include "data/shard_indices.hpp"
#include "harmofl/base/error.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace harmofl {
namespace {

using test::classified;
using test::index_of;
using test::user_error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

using Counts = std::array<std::int64_t, 3>;

/// Three sites of very different size, one without test samples.
std::vector<ShardIndex> unequal_sites(Task task) {
  return {index_of("north", task, {40, 7, 5}), index_of("south", task, {3, 1, 0}),
          index_of("west", task, {120, 20, 31})};
}

PartitionOptions options_of(PartitionKind kind, std::int64_t clients, double alpha = 0.5,
                            std::uint64_t seed = 7) {
  return {kind, clients, alpha, seed};
}

std::vector<std::int64_t> train_counts(const Partition& partition) {
  std::vector<std::int64_t> counts;
  for (const ClientPart& part : partition.clients) counts.push_back(part.count(Split::train));
  return counts;
}

void expect_disjoint_cover(const Partition& partition, const std::vector<ShardIndex>& shards) {
  std::set<std::string> names;
  for (const Split split : all_splits) {
    std::vector<SampleRef> dealt;
    for (const ClientPart& part : partition.clients) {
      EXPECT_TRUE(std::ranges::is_sorted(part.split(split)));
      dealt.insert(dealt.end(), part.split(split).begin(), part.split(split).end());
    }
    std::vector<SampleRef> all;
    for (std::int64_t shard = 0; shard < std::ssize(shards); ++shard) {
      const std::int64_t count = shards[static_cast<std::size_t>(shard)].split(split).count();
      for (std::int64_t row = 0; row < count; ++row) all.push_back({shard, row});
    }
    std::ranges::sort(dealt);
    EXPECT_EQ(dealt, all) << to_string(split);
  }
  for (const ClientPart& part : partition.clients) {
    EXPECT_GE(part.count(Split::train), 1) << part.name;
    EXPECT_TRUE(names.insert(part.name).second) << part.name;
    EXPECT_EQ(part.name.find('/'), std::string::npos);
  }
}

class EveryPartition
    : public testing::TestWithParam<std::tuple<PartitionKind, Task, std::int64_t, double>> {};

TEST_P(EveryPartition, gives_every_sample_to_one_client_and_every_client_a_training_sample) {
  const auto [kind, task, clients, alpha] = GetParam();
  const auto shards = unequal_sites(task);
  const PartitionOptions options = options_of(kind, clients, alpha);
  const Partition partition = make_partition(shards, options);
  expect_disjoint_cover(partition, shards);
  EXPECT_EQ(partition, make_partition(shards, options));
  if (kind == PartitionKind::pooled) {
    EXPECT_EQ(std::ssize(partition.clients), 1);
  }
  if (kind == PartitionKind::iid || kind == PartitionKind::dirichlet ||
      kind == PartitionKind::quantity) {
    EXPECT_EQ(std::ssize(partition.clients), clients);
  }
}

INSTANTIATE_TEST_SUITE_P(Partitions, EveryPartition,
                         testing::Combine(testing::ValuesIn(all_partition_kinds),
                                          testing::Values(Task::segmentation, Task::classification),
                                          testing::Values(1, 2, 7, 50, 163),
                                          testing::Values(1e-6, 0.1, 1.0, 100.0, 1e9)));

TEST(Partition, by_site_is_the_shards_in_their_order) {
  const auto shards = unequal_sites(Task::segmentation);
  const Partition partition = make_partition(shards, options_of(PartitionKind::site, 0));
  ASSERT_EQ(partition.clients.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(partition.clients[i].name, shards[i].info.site);
    for (const Split split : all_splits) {
      EXPECT_EQ(partition.clients[i].count(split), shards[i].split(split).count());
      EXPECT_EQ(part_checksum(partition.clients[i], split, shards),
                shards[i].split(split).checksum);
    }
  }
}

TEST(Partition, iid_sizes_differ_by_at_most_one) {
  for (const std::int64_t clients : {2, 9, 100, 163}) {
    const Partition partition = make_partition(unequal_sites(Task::classification),
                                               options_of(PartitionKind::iid, clients));
    const auto counts = train_counts(partition);
    EXPECT_LE(std::ranges::max(counts) - std::ranges::min(counts), 1) << clients;
  }
}

TEST(Partition, is_the_same_for_ever) {
  const std::vector<ShardIndex> shards{index_of("a", Task::segmentation, {6, 2, 0}),
                                       index_of("b", Task::segmentation, {4, 0, 1})};
  const auto text = [&](PartitionKind kind, double alpha) {
    std::string dealt;
    for (const ClientPart& part : make_partition(shards, options_of(kind, 3, alpha)).clients) {
      dealt += part.name + ":";
      for (const auto& samples : part.samples) {
        for (const auto& [shard, row] : samples) dealt += concat(' ', shard, '.', row);
        dealt += ";";
      }
    }
    return dealt;
  };
  EXPECT_EQ(text(PartitionKind::iid, 1.0),
            "client_0000: 0.0 0.2 1.1 1.2; 0.1; 1.0;"
            "client_0001: 0.5 1.0 1.3; 0.0;;"
            "client_0002: 0.1 0.3 0.4;;;");
  EXPECT_EQ(text(PartitionKind::dirichlet, 0.5),
            "client_0000: 0.4 1.0 1.2 1.3;; 1.0;"
            "client_0001: 0.3 1.1; 0.1;;"
            "client_0002: 0.0 0.1 0.2 0.5; 0.0;;");
  EXPECT_EQ(text(PartitionKind::quantity, 0.5),
            "client_0000: 1.1 1.2;;;"
            "client_0001: 0.0; 0.1;;"
            "client_0002: 0.1 0.2 0.3 0.4 0.5 1.0 1.3; 0.0; 1.0;");
}

TEST(Partition, that_moves_samples_is_the_same_for_ever) {
  const std::vector<ShardIndex> shards{classified("a", 8, 2)};
  std::string dealt;
  for (const ClientPart& part :
       make_partition(shards, options_of(PartitionKind::dirichlet, 5, 0.02)).clients) {
    for (const auto& [shard, row] : part.split(Split::train)) dealt += concat(' ', row);
    dealt += ";";
  }
  EXPECT_EQ(dealt, " 4; 2 6; 3 5 7; 1; 0;");
}

TEST(Partition, changes_with_the_seed) {
  const auto shards = unequal_sites(Task::classification);
  for (const PartitionKind kind :
       {PartitionKind::iid, PartitionKind::dirichlet, PartitionKind::quantity}) {
    EXPECT_NE(make_partition(shards, options_of(kind, 7, 0.5, 1)),
              make_partition(shards, options_of(kind, 7, 0.5, 2)));
  }
}

/// Mean over the clients of half the L1 distance between their labels' shares and those of all: 0
/// where clients are alike, towards 1 where each has its own labels.
double label_skew(const Partition& partition, const std::vector<ShardIndex>& shards,
                  std::int64_t classes) {
  std::vector<double> all(static_cast<std::size_t>(classes), 0.0);
  std::vector<std::vector<double>> own;
  double total = 0.0;
  for (const ClientPart& part : partition.clients) {
    std::vector<double> shares(all.size(), 0.0);
    for (const auto& [shard, row] : part.split(Split::train)) {
      const auto& labels = shards[static_cast<std::size_t>(shard)].split(Split::train).labels;
      const auto label = static_cast<std::size_t>(labels[static_cast<std::size_t>(row)]);
      shares[label] += 1.0 / static_cast<double>(part.count(Split::train));
      all[label] += 1.0;
      total += 1.0;
    }
    own.push_back(shares);
  }
  double skew = 0.0;
  for (const auto& shares : own) {
    for (std::size_t label = 0; label < all.size(); ++label) {
      skew += 0.5 * std::abs(shares[label] - all[label] / total);
    }
  }
  return skew / static_cast<double>(own.size());
}

TEST(Partition, dirichlet_labels_are_more_skewed_the_smaller_alpha) {
  const std::vector<ShardIndex> shards{classified("a", 4000, 10), classified("b", 1000, 10)};
  std::vector<double> skews;
  for (const double alpha : {0.01, 0.1, 1.0, 10.0, 1e6}) {
    const auto partition = make_partition(shards, options_of(PartitionKind::dirichlet, 20, alpha));
    skews.push_back(label_skew(partition, shards, 10));
  }
  for (std::size_t i = 1; i < skews.size(); ++i) EXPECT_LT(skews[i], skews[i - 1]) << i;
  EXPECT_GT(skews.front(), 0.7);
  EXPECT_LT(skews.back(), 0.03);
}

class DirichletShares : public testing::TestWithParam<double> {};

TEST_P(DirichletShares, have_the_mean_and_variance_of_the_distribution) {
  constexpr std::int64_t clients = 10;
  constexpr std::int64_t samples = 2000;
  constexpr int repeats = 200;
  const double alpha = GetParam();
  const std::vector<ShardIndex> shards{classified("a", samples, 1)};
  double sum = 0.0;
  double squares = 0.0;
  for (std::uint64_t seed = 0; seed < repeats; ++seed) {
    const auto options = options_of(PartitionKind::quantity, clients, alpha, seed);
    const auto counts = train_counts(make_partition(shards, options));
    const double share = static_cast<double>(counts[3]) / samples;
    sum += share;
    squares += share * share;
  }
  const double mean = sum / repeats;
  const double variance = squares / repeats - mean * mean;
  const double expected = (1.0 / clients) * (1.0 - 1.0 / clients) / (clients * alpha + 1.0);
  EXPECT_NEAR(mean, 1.0 / clients, 4.0 * std::sqrt(expected / repeats));
  EXPECT_NEAR(variance, expected, 0.4 * expected);
}

INSTANTIATE_TEST_SUITE_P(Alpha, DirichletShares, testing::Values(0.2, 0.5, 1.0, 5.0));

TEST(Partition, dirichlet_divides_val_and_test_with_the_shares_of_train) {
  std::vector<ShardIndex> shards{index_of("a", Task::segmentation, {1000, 500, 100})};
  const Partition partition = make_partition(shards, options_of(PartitionKind::dirichlet, 5, 1.0));
  for (const ClientPart& part : partition.clients) {
    EXPECT_NEAR(static_cast<double>(part.count(Split::train)) / 1000.0,
                static_cast<double>(part.count(Split::val)) / 500.0, 0.004);
    EXPECT_NEAR(static_cast<double>(part.count(Split::train)) / 1000.0,
                static_cast<double>(part.count(Split::test)) / 100.0, 0.02);
  }
}

TEST(Partition, dirichlet_of_masks_divides_every_site_by_its_own_shares) {
  const std::vector<ShardIndex> shards{index_of("a", Task::segmentation, {500, 0, 0}),
                                       index_of("b", Task::segmentation, {500, 0, 0})};
  const auto purity = [&](double alpha) {
    double mean = 0.0;
    const auto partition = make_partition(shards, options_of(PartitionKind::dirichlet, 10, alpha));
    for (const ClientPart& part : partition.clients) {
      const auto& samples = part.split(Split::train);
      const auto of_a = static_cast<double>(std::ranges::count(samples, 0, &SampleRef::shard));
      const double share = of_a / static_cast<double>(samples.size());
      mean += std::max(share, 1.0 - share) / 10.0;
    }
    return mean;
  };
  EXPECT_GT(purity(0.05), 0.9);
  EXPECT_LT(purity(1000.0), 0.6);
}

TEST(Partition, quantity_mixes_labels_but_not_sizes) {
  const std::vector<ShardIndex> shards{classified("a", 20000, 4)};
  const Partition partition = make_partition(shards, options_of(PartitionKind::quantity, 5, 0.5));
  const auto counts = train_counts(partition);
  EXPECT_GT(std::ranges::max(counts), 2 * std::ranges::min(counts));
  for (const ClientPart& part : partition.clients) {
    if (part.count(Split::train) < 1000) continue;
    std::map<std::int64_t, double> shares;
    for (const auto& [shard, row] : part.split(Split::train)) {
      shares[row % 4] += 1.0 / static_cast<double>(part.count(Split::train));
    }
    for (const auto& [label, share] : shares) EXPECT_NEAR(share, 0.25, 0.07) << label;
  }
}

TEST(Partition, by_patient_keeps_patients_whole_and_deals_held_out_ones_in_their_site) {
  ShardIndex a = index_of("a", Task::segmentation, {4, 3, 0});
  a.splits[0].groups = {"p/1", "p 2", "p/1", "p:1"};
  a.splits[1].groups = {"p9", "p9", "p 2"};
  ShardIndex b = index_of("b", Task::segmentation, {1, 0, 2});
  b.splits[0].groups = {"p/1"};
  b.splits[2].groups = {"p5", "p6"};
  const Partition partition = make_partition({a, b}, options_of(PartitionKind::patient, 0));
  ASSERT_EQ(partition.clients.size(), 4u);
  EXPECT_EQ(partition.clients[0].name, "a_p_1");
  EXPECT_EQ(partition.clients[1].name, "a_p_2");
  EXPECT_EQ(partition.clients[2].name, "a_p_1_2");
  EXPECT_EQ(partition.clients[3].name, "b_p_1");
  EXPECT_THAT(partition.clients[0].split(Split::train),
              ElementsAre(SampleRef{0, 0}, SampleRef{0, 2}));
  EXPECT_THAT(partition.clients[0].split(Split::val),
              ElementsAre(SampleRef{0, 0}, SampleRef{0, 1}));
  EXPECT_THAT(partition.clients[1].split(Split::val), ElementsAre(SampleRef{0, 2}));
  EXPECT_THAT(partition.clients[3].split(Split::test),
              ElementsAre(SampleRef{1, 0}, SampleRef{1, 1}));
}

TEST(Partition, by_patient_deals_held_out_patients_in_turn_and_each_as_a_whole) {
  ShardIndex a = index_of("a", Task::segmentation, {3, 5, 0});
  a.splits[0].groups = {"p1", "p2", "p3"};
  a.splits[1].groups = {"p9", "p8", "p7", "p9", "p6"};
  const Partition partition = make_partition({a}, options_of(PartitionKind::patient, 0));
  ASSERT_EQ(partition.clients.size(), 3u);
  EXPECT_THAT(partition.clients[0].split(Split::val),
              ElementsAre(SampleRef{0, 0}, SampleRef{0, 3}, SampleRef{0, 4}));
  EXPECT_THAT(partition.clients[1].split(Split::val), ElementsAre(SampleRef{0, 1}));
  EXPECT_THAT(partition.clients[2].split(Split::val), ElementsAre(SampleRef{0, 2}));
}

TEST(Partition, refuses_what_cannot_be_dealt) {
  const auto shards = unequal_sites(Task::classification);
  const auto message = [&](PartitionKind kind, std::int64_t clients, double alpha = 1.0) {
    return user_error_of([&] { make_partition(shards, options_of(kind, clients, alpha)); });
  };
  EXPECT_THAT(message(PartitionKind::iid, 0), AllOf(HasSubstr("is 0"), HasSubstr("data.clients")));
  EXPECT_THAT(message(PartitionKind::quantity, 164),
              AllOf(HasSubstr("164 clients"), HasSubstr("163 training samples")));
  for (const double alpha : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THAT(message(PartitionKind::dirichlet, 2, alpha), HasSubstr("data.partition_alpha"));
  }
  auto unnamed = shards;
  unnamed[1].splits[0].groups.clear();
  EXPECT_THAT(
      user_error_of([&] { make_partition(unnamed, options_of(PartitionKind::patient, 0)); }),
      AllOf(HasSubstr("south.h5"), HasSubstr("no patients in train"), HasSubstr("--list")));
  unnamed[1].splits[0].groups = {"p", "", "p"};
  EXPECT_THAT(
      user_error_of([&] { make_partition(unnamed, options_of(PartitionKind::patient, 0)); }),
      HasSubstr("image 'south_train1' in train has no patient"));
}

TEST(PartChecksum, changes_with_rows_and_content) {
  auto shards = unequal_sites(Task::segmentation);
  const Partition partition = make_partition(shards, options_of(PartitionKind::iid, 3));
  std::set<std::string> sums;
  for (const ClientPart& part : partition.clients) {
    sums.insert(part_checksum(part, Split::train, shards));
  }
  shards[2].splits[0].checksum = "changed";
  for (const ClientPart& part : partition.clients) {
    sums.insert(part_checksum(part, Split::train, shards));
  }
  EXPECT_EQ(sums.size(), 6u);
}

TEST(PartChecksum, of_samples_of_two_shards_is_not_that_of_one_of_them) {
  const auto shards = unequal_sites(Task::segmentation);
  const auto count = shards[0].split(Split::train).count();
  ClientPart part;
  part.name = "both";
  for (std::int64_t row = 0; row + 1 < count; ++row) part.samples[0].push_back({0, row});
  part.samples[0].push_back({1, 0});  // as many samples as the first shard has
  EXPECT_NE(part_checksum(part, Split::train, shards), shards[0].split(Split::train).checksum);
}

}  // namespace
}  // namespace harmofl
