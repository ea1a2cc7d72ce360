// SPDX-License-Identifier: Apache-2.0
#include "app/config/without_effect.hpp"

#include "app/config/keys.hpp"
#include "app/config/run_options.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::vector<std::string> found(const std::vector<std::string>& arguments) {
  Config config = Config::from_arguments(arguments);
  resolve(config, Task::segmentation);
  return without_effect(config);
}

TEST(WithoutEffect, is_nothing_of_the_defaults) {
  for (const std::string& method : algorithm_names()) {
    EXPECT_THAT(found({"--algorithm.name", method}), IsEmpty()) << method;
  }
}

TEST(WithoutEffect, names_both_keys_and_the_remedy) {
  EXPECT_THAT(found({"--data.clients", "8"}),
              ElementsAre("data.clients = 8 has no effect with data.partition = site. Leave it "
                          "out, or set data.partition to iid or dirichlet or quantity."));
  EXPECT_THAT(found({"--cohort.over_sampling", "1.5"}),
              ElementsAre(HasSubstr("set cohort.size to something else.")));
}

TEST(WithoutEffect, is_nothing_where_the_other_key_is_set) {
  EXPECT_THAT(found({"--data.clients", "8", "--data.partition", "iid"}), IsEmpty());
  EXPECT_THAT(found({"--perturbation.adaptive", "--perturbation.alpha", "0.05"}), IsEmpty());
}

TEST(WithoutEffect, compares_numbers_by_value) {
  EXPECT_THAT(found({"--data.partition_alpha", "0.50"}), IsEmpty());
  EXPECT_THAT(found({"--algorithm.name", "harmofl", "--perturbation.alpha", "0.0",
                     "--perturbation.adaptive"}),
              ElementsAre(StartsWith("perturbation.adaptive = true has no effect with "
                                     "perturbation.alpha = 0.0.")));
}

}  // namespace
}  // namespace harmofl
