// SPDX-License-Identifier: Apache-2.0
// The average of the updates that count, against the same average in float64.
#include "fl/aggregate/update_average.hpp"

#include "model/tensors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace harmofl {
namespace {

using test::distance;
using test::world;
using testing::ElementsAre;

constexpr MessageLayout layout{40, 9, 1};
constexpr double tolerance = 1e-5;  ///< Of float32 sums of values below 2.
/// p_i of six clients; client i is hosted by rank i % size.
const std::vector<double> weights{0.05, 0.1, 0.15, 0.2, 0.2, 0.3};

torch::Tensor message_of(ClientId client) {
  torch::manual_seed(static_cast<std::uint64_t>(client.value()));
  return torch::rand({layout.length()}) * 4.0 - 2.0;
}

std::vector<ClientId> clients(const std::vector<std::int64_t>& ids) {
  return {ids.begin(), ids.end()};
}

/// sum p_i message_i / sum p_i over `counted`, in float64.
torch::Tensor expected(const std::vector<ClientId>& counted) {
  torch::Tensor sum = torch::zeros({layout.length()}, torch::kFloat64);
  double weight = 0.0;
  for (const ClientId id : counted) {
    sum += weights[id.position()] * message_of(id).to(torch::kFloat64);
    weight += weights[id.position()];
  }
  return sum / weight;
}

class UpdateAverageTest : public testing::TestWithParam<Reduction> {
 protected:
  /// Adds the messages of those that this rank hosts; `spoiled` send NaN and are left out.
  void add_all(const std::vector<ClientId>& counted, const std::vector<ClientId>& spoiled = {}) {
    average_.begin(layout, torch::kCPU, counted);
    for (const ClientId id : counted) {
      if (id.value() % world().size() != world().rank().value()) continue;
      torch::Tensor message = message_of(id);
      const bool bad = std::ranges::binary_search(spoiled, id);
      if (bad) message[7] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_EQ(average_.add(id, message, "clinic"), !bad);
      if (bad) average_.leave_out(id);
    }
  }

  std::unique_ptr<Transport> transport_ = make_transport(TransportKind::mpi, world(), false);
  UpdateAverage average_{world(), *transport_, GetParam(), weights};
};

TEST_P(UpdateAverageTest, weighs_everyone_as_given_where_all_count) {
  const auto all = clients({0, 1, 2, 3, 4, 5});
  add_all(all);
  EXPECT_TRUE(average_.agree_on_left_out().empty());
  EXPECT_EQ(average_.participation(), 1.0);
  EXPECT_LT(distance(average_.average(), expected(all)), tolerance);
}

TEST_P(UpdateAverageTest, gives_a_cohort_weights_that_sum_to_one) {
  for (const auto& cohort : {clients({1, 4}), clients({0}), clients({0, 2, 3, 5})}) {
    add_all(cohort);
    average_.agree_on_left_out();
    double share = 0.0;
    for (const ClientId id : cohort) share += weights[id.position()];
    EXPECT_NEAR(average_.participation(), share, 1e-12);
    EXPECT_LT(distance(average_.average(), expected(cohort)), tolerance);
  }
}

TEST_P(UpdateAverageTest, gives_those_who_are_not_left_out_weights_that_sum_to_one) {
  add_all(clients({0, 1, 2, 3, 5}), clients({1, 2}));
  EXPECT_THAT(average_.agree_on_left_out(), ElementsAre(ClientId{1}, ClientId{2}));
  EXPECT_THAT(average_.counted(), ElementsAre(ClientId{0}, ClientId{3}, ClientId{5}));
  EXPECT_NEAR(average_.participation(), 0.05 + 0.2 + 0.3, 1e-12);
  EXPECT_LT(distance(average_.average(), expected(clients({0, 3, 5}))), tolerance);
}

TEST_P(UpdateAverageTest, forgets_in_the_next_round_whom_it_left_out) {
  add_all(clients({0, 1, 2}), clients({1}));
  average_.agree_on_left_out();
  average_.average();
  add_all(clients({1, 2}));
  EXPECT_TRUE(average_.agree_on_left_out().empty());
  EXPECT_LT(distance(average_.average(), expected(clients({1, 2}))), tolerance);
}

TEST_P(UpdateAverageTest, has_nobody_left_where_all_are_left_out) {
  add_all(clients({3, 4}), clients({3, 4}));
  average_.agree_on_left_out();
  EXPECT_TRUE(average_.counted().empty());
}

INSTANTIATE_TEST_SUITE_P(Reductions, UpdateAverageTest,
                         testing::Values(Reduction::fast, Reduction::exact),
                         [](const auto& instance) {
                           return instance.param == Reduction::fast ? "fast" : "exact";
                         });

}  // namespace
}  // namespace harmofl
