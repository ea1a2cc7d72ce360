// SPDX-License-Identifier: Apache-2.0
#include "fl/aggregate/aggregator.hpp"

#include "harmofl/base/error.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace harmofl {
namespace {

using test::distance;
using test::random_images;
using test::same_bits;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::int64_t length = 1000;
constexpr std::int64_t parameters = 700;
constexpr MessageLayout layout{parameters, length - parameters, 0};
constexpr std::size_t clients = 5;

/// Adds up states on one rank without MPI.
class AggregatorTest : public testing::Test {
 protected:
  AggregatorTest() {
    for (std::size_t i = 0; i < clients; ++i) {
      states_.push_back(random_images({length}, i) * 4.0 - 2.0);
      weights_.push_back(static_cast<double>(i + 1) / 15.0);
    }
  }

  torch::Tensor sum(Reduction reduction, const std::vector<std::size_t>& order) {
    Aggregator aggregator(*transport_, reduction);
    aggregator.begin(layout, torch::kCPU);
    for (const std::size_t i : order) aggregator.add(states_[i], weights_[i], "clinic");
    return aggregator.reduce().clone();
  }

  /// sum p_i w_i in float64.
  torch::Tensor expected() const {
    torch::Tensor sum = torch::zeros({length}, torch::kFloat64);
    for (std::size_t i = 0; i < clients; ++i) {
      sum += weights_[i] * states_[i].to(torch::kFloat64);
    }
    return sum;
  }

  /// What the aggregator says of a client whose state is `value` everywhere.
  std::string message_of(Reduction reduction, float value, double weight) {
    Aggregator aggregator(*transport_, reduction);
    aggregator.begin(layout, torch::kCPU);
    torch::Tensor state = torch::zeros({length});
    state[parameters - 1] = value;
    try {
      aggregator.add(state, weight, "north");
    } catch (const RankFailure& failure) {
      return failure.what();
    }
    return "";
  }

  Communicator serial_ = Communicator::serial();
  std::unique_ptr<Transport> transport_ =
      make_transport(TransportKind::automatic, serial_, /*gpu=*/false);
  std::vector<torch::Tensor> states_;
  std::vector<double> weights_;
};

TEST_F(AggregatorTest, sums_weighted_states) {
  constexpr double tolerance = 1e-6;  // float32 sums of values about 1
  const std::vector<std::size_t> order{0, 1, 2, 3, 4};
  EXPECT_LT(distance(sum(Reduction::fast, order), expected()), tolerance);
  EXPECT_LT(distance(sum(Reduction::exact, order), expected()), tolerance);
}

TEST_F(AggregatorTest, rounds_exact_sums_of_parameters_to_the_nearest_float) {
  const torch::Tensor exact = sum(Reduction::exact, {0, 1, 2, 3, 4}).narrow(0, 0, parameters);
  const torch::Tensor nearest = expected().narrow(0, 0, parameters).to(torch::kFloat32);
  // Fixed-point units are 2^-44: no further away than the rounding to float32 itself.
  EXPECT_LT(distance(exact, nearest), 2.0 * std::ldexp(1.0, -23));
  EXPECT_GT((exact == nearest).to(torch::kFloat32).mean().item<double>(), 0.99);
}

/// The fixed-point sum in libtorch's operations, as float32.
torch::Tensor plain_exact_sum(const std::vector<torch::Tensor>& states,
                              const std::vector<double>& weights) {
  torch::Tensor units = torch::full({length}, std::ldexp(1.0, 44), torch::kFloat64);
  units.narrow(0, parameters, length - parameters).fill_(std::ldexp(1.0, 30));
  torch::Tensor sum = torch::zeros({length}, torch::kInt64);
  for (std::size_t i = 0; i < states.size(); ++i) {
    sum += (states[i].to(torch::kFloat64) * units * weights[i]).round().to(torch::kInt64);
  }
  return sum.to(torch::kFloat64).div(units).to(torch::kFloat32);
}

TEST_F(AggregatorTest, has_the_bits_of_libtorchs_operations) {
  torch::Tensor fast = torch::zeros({length});
  for (std::size_t i = 0; i < clients; ++i) {
    states_[i][0] = std::ldexp(1.0F, 17);   // too large to be rounded by an addition
    states_[i][1] = std::ldexp(1.0F, -44);  // half a unit, more or less: a tie
    states_[i][2] = -0.0F;
    states_[i].narrow(0, parameters, 3) *= 1e6;
    weights_[i] = i == 0 ? 0.5 : 0.125;
    fast += states_[i] * weights_[i];
  }
  EXPECT_TRUE(same_bits(sum(Reduction::fast, {0, 1, 2, 3, 4}), fast));
  EXPECT_TRUE(
      same_bits(sum(Reduction::exact, {0, 1, 2, 3, 4}), plain_exact_sum(states_, weights_)));
}

TEST_F(AggregatorTest, leaves_the_exact_sum_as_it_was_when_it_refuses_a_model) {
  Aggregator aggregator(*transport_, Reduction::exact);
  aggregator.begin(layout, torch::kCPU);
  aggregator.add(states_[0], 0.5, "south");
  torch::Tensor bad = states_[1].clone();
  bad[length - 1] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(aggregator.add(bad, 0.5, "north"));
  EXPECT_TRUE(same_bits(aggregator.reduce(), plain_exact_sum({states_[0]}, {0.5})));
}

TEST_F(AggregatorTest, gives_the_same_bits_for_every_order_of_clients) {
  std::vector<std::size_t> order{0, 1, 2, 3, 4};
  const torch::Tensor first = sum(Reduction::exact, order);
  do {
    ASSERT_TRUE(same_bits(sum(Reduction::exact, order), first)) << testing::PrintToString(order);
  } while (std::ranges::next_permutation(order).found);
}

TEST_F(AggregatorTest, begins_every_round_from_zero) {
  for (const Reduction reduction : {Reduction::fast, Reduction::exact}) {
    Aggregator aggregator(*transport_, reduction);
    for (int round = 0; round < 2; ++round) {
      aggregator.begin(layout, torch::kCPU);
      aggregator.add(torch::ones({length}), 0.5, "clinic");
      EXPECT_TRUE(same_bits(aggregator.reduce(), torch::full({length}, 0.5))) << round;
    }
    aggregator.begin(layout, torch::kCPU);
    EXPECT_TRUE(same_bits(aggregator.reduce(), torch::zeros({length}))) << "nobody's round";
  }
}

TEST_F(AggregatorTest, follows_a_change_of_length_between_rounds) {
  for (const Reduction reduction : {Reduction::fast, Reduction::exact}) {
    Aggregator aggregator(*transport_, reduction);
    for (const std::int64_t used : {length, parameters}) {
      aggregator.begin({parameters, used - parameters, 0}, torch::kCPU);
      aggregator.add(torch::ones({used}), 1.0, "clinic");
      EXPECT_TRUE(same_bits(aggregator.reduce(), torch::ones({used})));
    }
  }
}

TEST_F(AggregatorTest, sums_nobody_to_zero) {
  EXPECT_TRUE(same_bits(sum(Reduction::exact, {}), torch::zeros({length})));
  EXPECT_TRUE(same_bits(sum(Reduction::fast, {}), torch::zeros({length})));
}

TEST_F(AggregatorTest, tells_that_a_model_is_not_finite_and_leaves_it_out) {
  for (const Reduction reduction : {Reduction::fast, Reduction::exact}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      Aggregator aggregator(*transport_, reduction);
      aggregator.begin(layout, torch::kCPU);
      torch::Tensor state = torch::ones({length});
      state[0] = bad;
      EXPECT_FALSE(aggregator.add(state, 0.5, "north"));
      EXPECT_TRUE(aggregator.add(torch::ones({length}), 0.5, "south"));
      EXPECT_FALSE(aggregator.add(state, 0.5, "west"));
      EXPECT_TRUE(same_bits(aggregator.reduce(), torch::full({length}, 0.5)));
    }
  }
}

TEST_F(AggregatorTest, names_the_client_whose_model_is_too_large_for_fixed_point) {
  EXPECT_THAT(message_of(Reduction::exact, 1e6F, 1.0),
              AllOf(HasSubstr("north"), HasSubstr("too large")));
  EXPECT_EQ(message_of(Reduction::exact, 2e5F, 1.0), "");
  EXPECT_EQ(message_of(Reduction::fast, 1e30F, 1.0), "");
}

TEST_F(AggregatorTest, never_wraps_around_when_many_large_models_are_added) {
  // Each of four fits alone after weighting, but their sum would not fit into 64 bits.
  const float large = 3.0F * std::ldexp(1.0F, 18);
  EXPECT_THAT(message_of(Reduction::exact, large, 0.25), HasSubstr("too large"));
}

TEST_F(AggregatorTest, leaves_large_statistics_their_larger_range) {
  Aggregator aggregator(*transport_, Reduction::exact);
  aggregator.begin(layout, torch::kCPU);
  torch::Tensor state = torch::zeros({length});
  state[parameters] = 1e9;  // an amplitude of zero frequency
  aggregator.add(state, 1.0, "clinic");
  EXPECT_TRUE(same_bits(aggregator.reduce(), state));
}

}  // namespace
}  // namespace harmofl
