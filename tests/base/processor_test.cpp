// SPDX-License-Identifier: Apache-2.0
#include "base/process/processor.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace harmofl {
namespace {

std::string model_in(const std::string& text) {
  std::istringstream stream(text);
  return processor_model(stream);
}

TEST(ProcessorModel, is_the_first_of_the_list) {
  EXPECT_EQ(
      model_in("processor\t: 0\nvendor_id\t: A\nmodel\t\t: 17\nmodel name\t: Some CPU @ 2 GHz\n"
               "\nprocessor\t: 1\nmodel name\t: Another\n"),
      "Some CPU @ 2 GHz");
}

TEST(ProcessorModel, is_empty_where_the_list_names_none) {
  EXPECT_EQ(model_in("processor\t: 0\nBogoMIPS\t: 50.00\n"), "");
  EXPECT_EQ(model_in("model name\t:\n"), "");
  EXPECT_EQ(model_in("model name\n"), "");
  EXPECT_EQ(model_in(""), "");
}

TEST(ProcessorModel, shows_no_control_characters) {
  EXPECT_EQ(model_in("model name : a\x1B[2J\n"), "a\\x1B[2J");
}

}  // namespace
}  // namespace harmofl
