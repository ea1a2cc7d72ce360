// SPDX-License-Identifier: Apache-2.0
// By how much tensors differ, against numbers that are known.
#include "app/commands/diff/tensor_difference.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace harmofl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr float infinite = std::numeric_limits<float>::infinity();

NamedTensor tensor_of(const std::vector<float>& values) {
  return {"w", "", {std::ssize(values)}, values};
}

TensorDifference between(const std::vector<float>& a, const std::vector<float>& b) {
  return difference_of(tensor_of(a), tensor_of(b)).value();
}

TEST(TensorDifference, is_nothing_where_all_bits_are_the_same) {
  const std::vector<float> values{0.0F, 1.5F, -infinite, std::nanf("")};
  EXPECT_FALSE(difference_of(tensor_of(values), tensor_of(values)));
  EXPECT_FALSE(difference_of({"w", "", {}, {1.0F}}, {"w", "", {}, {1.0F}}));
}

TEST(TensorDifference, counts_elements_and_takes_the_largest) {
  const TensorDifference found = between({1.0F, 2.0F, -4.0F, 8.0F}, {1.0F, 2.5F, -3.0F, 8.0F});
  EXPECT_EQ(found.elements, 4);
  EXPECT_EQ(found.differing, 2);
  EXPECT_EQ(found.largest, 1.0);
  EXPECT_EQ(found.largest_relative, 0.25);
  EXPECT_EQ(found.first, 1);
  EXPECT_EQ(found.first_a, 2.0F);
  EXPECT_EQ(found.first_b, 2.5F);
  EXPECT_EQ(found.not_finite, 0);
}

TEST(TensorDifference, counts_the_float32_numbers_between) {
  const float next = std::nextafterf(1.0F, 2.0F);
  EXPECT_EQ(between({1.0F}, {next}).largest_ulps, 1);
  EXPECT_EQ(between({1.0F}, {next}).largest, 1.0 / (1 << 23));
  EXPECT_EQ(between({1.0F}, {2.0F}).largest_ulps, 1 << 23);
  EXPECT_EQ(between({std::nextafterf(1.0F, 0.0F)}, {next}).largest_ulps, 2);
  const float smallest = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(between({-smallest}, {smallest}).largest_ulps, 2) << "through 0";
  EXPECT_EQ(between({-1.0F}, {1.0F}).largest_ulps, 2 * std::int64_t{0x3F800000});
}

TEST(TensorDifference, sees_the_sign_of_zero) {
  const TensorDifference found = between({0.0F}, {-0.0F});
  EXPECT_EQ(found.differing, 1);
  EXPECT_EQ(found.largest, 0.0);
  EXPECT_EQ(found.largest_relative, 0.0);
  EXPECT_EQ(found.largest_ulps, 0);
}

TEST(TensorDifference, keeps_what_is_not_finite_apart) {
  const TensorDifference found = between({std::nanf(""), infinite, 1.0F}, {1.0F, 2.0F, 1.5F});
  EXPECT_EQ(found.differing, 3);
  EXPECT_EQ(found.not_finite, 2);
  EXPECT_EQ(found.largest, 0.5);
}

TEST(TensorDifference, of_groups_is_in_their_order_by_name_and_shape) {
  const std::vector<NamedTensor> a{
      {"z", "", {2}, {1, 2}}, {"a", "", {}, {1}}, {"old", "", {1}, {1}}, {"same", "", {1}, {7}}};
  const std::vector<NamedTensor> b{
      {"a", "", {}, {2}}, {"z", "", {2}, {1, 3}}, {"old", "", {}, {1}}, {"same", "", {1}, {7}}};
  const GroupDifference found = difference_of("model", a, b);
  EXPECT_EQ(found.group, "model");
  EXPECT_EQ(found.tensors, 3);
  ASSERT_EQ(found.differing.size(), 2U);
  EXPECT_EQ(found.differing[0].name, "z");
  EXPECT_EQ(found.differing[1].name, "a");
  EXPECT_THAT(found.only_a, ElementsAre("old [1]"));
  EXPECT_THAT(found.only_b, ElementsAre("old []"));
  EXPECT_FALSE(found.empty());
  EXPECT_TRUE(difference_of("model", a, a).empty());
  EXPECT_THAT(difference_of("server", {}, {}).differing, IsEmpty());
}

}  // namespace
}  // namespace harmofl
