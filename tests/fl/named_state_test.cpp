// SPDX-License-Identifier: Apache-2.0
#include "harmofl/fl/named_state.hpp"

#include "model/tensors.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>

namespace harmofl {
namespace {

using test::same_bits;

NamedState some_state() {
  NamedState state;
  state.tensor("optimizer.exp_avg", torch::zeros({2, 3}))
      .copy_(torch::tensor({1.0F, -0.0F, 1e-40F, 3e38F, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()})
                 .view({2, 3}));
  state.tensor("optimizer.step", torch::zeros({})).fill_(7.0);
  return state;
}

TEST(NamedState, makes_a_tensor_of_zeros_once) {
  NamedState state;
  EXPECT_FALSE(state.has("moment"));
  torch::Tensor& moment = state.tensor("moment", torch::ones({2, 3}));
  EXPECT_TRUE(same_bits(moment, torch::zeros({2, 3})));
  moment.fill_(4.0);
  EXPECT_TRUE(state.has("moment"));
  EXPECT_TRUE(same_bits(state.tensor("moment", torch::ones({2, 3})), torch::full({2, 3}, 4.0)));
}

TEST(NamedState, survives_bytes_to_the_bit) {
  NamedState original = some_state();
  NamedState copy;
  copy.import_tensors(NamedState::parse(original.serialize()), torch::kCPU);
  ASSERT_EQ(copy.export_tensors().size(), original.export_tensors().size());
  for (const NamedTensor& tensor : original.export_tensors()) {
    ASSERT_TRUE(copy.has(tensor.name)) << tensor.name;
    EXPECT_TRUE(same_bits(copy.get(tensor.name), original.get(tensor.name))) << tensor.name;
  }
}

TEST(NamedState, holds_tensors_of_many_pages) {
  NamedState original;
  for (const char* const name : {"a", "b", "c"}) {
    original.tensor(name, torch::zeros({100001})).copy_(torch::arange(100001.0F));
  }
  NamedState copy;
  copy.import_tensors(original.export_tensors(), torch::kCPU);
  for (const char* const name : {"a", "b", "c"}) {
    EXPECT_TRUE(same_bits(copy.get(name), original.get(name))) << name;
  }
}

TEST(NamedState, survives_bytes_when_empty) {
  NamedState copy = some_state();
  copy.import_tensors(NamedState::parse(NamedState().serialize()), torch::kCPU);
  EXPECT_TRUE(copy.export_tensors().empty()) << "importing replaces what was there";
}

TEST(NamedState, owns_what_it_imports) {
  std::vector<NamedTensor> tensors = some_state().export_tensors();
  NamedState copy;
  copy.import_tensors(tensors, torch::kCPU);
  for (NamedTensor& tensor : tensors) std::ranges::fill(tensor.values, 9.0F);
  EXPECT_EQ(copy.tensor("optimizer.step", torch::zeros({})).item<float>(), 7.0F);
}

TEST(NamedState, gives_no_tensor_for_one_of_another_shape) {
  NamedState state;
  state.import_tensors(
      {{"optimizer.exp_avg", "", {1}, {2.0F}}, {"optimizer.step", "", {1}, {2.0F}}}, torch::kCPU);
  EXPECT_THAT(test::user_error_of([&] { state.tensor("optimizer.exp_avg", torch::zeros({1000})); }),
              testing::AllOf(testing::HasSubstr("'optimizer.exp_avg'"), testing::HasSubstr("[1]"),
                             testing::HasSubstr("[1000]")));
  EXPECT_THAT(test::user_error_of([&] { state.number("optimizer.step", torch::zeros({1})); }),
              testing::HasSubstr("'optimizer.step'"));
}

TEST(NamedState, counts_from_0) {
  NamedState state;
  EXPECT_EQ(state.number("step", torch::ones({3})).item<float>(), 0.0F);
  state.number("step", torch::ones({3})).add_(2.0);
  EXPECT_EQ(state.number("step", torch::ones({3})).item<float>(), 2.0F);
  EXPECT_EQ(state.get("step").dim(), 0);
}

}  // namespace
}  // namespace harmofl
