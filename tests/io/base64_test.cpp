// SPDX-License-Identifier: Apache-2.0
#include "io/formats/base64.hpp"

#include <gtest/gtest.h>

namespace harmofl {
namespace {

// RFC 4648, section 10.
TEST(Base64, is_that_of_the_standards_examples) {
  const std::string_view text = "foobar";
  std::size_t length = 0;
  for (const char* expected : {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"}) {
    EXPECT_EQ(base64(text.substr(0, length++)), expected);
  }
}

TEST(Base64, takes_bytes_of_any_value) {
  EXPECT_EQ(base64(std::string_view("\x00\xff\x80", 3)), "AP+A");
  EXPECT_EQ(base64("\xfb\xff\xbf"), "+/+/");
}

}  // namespace
}  // namespace harmofl
