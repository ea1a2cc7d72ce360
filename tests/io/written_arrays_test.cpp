// SPDX-License-Identifier: Apache-2.0
// Images and arrays for other programs, against bytes that other programs wrote.
#include "io/formats/npy_writer.hpp"
#include "io/formats/png_writer.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace harmofl {
namespace {

// numpy.save of numpy.float32([[1, -2]]); its header only lacks the comma behind the last size.
TEST(NpyBytes, are_a_header_of_whole_lines_of_64_and_the_values) {
  const std::vector<float> values{1.0F, -2.0F};
  const std::string bytes = npy_bytes(values, {1, 2});
  ASSERT_EQ(bytes.size(), 128U + 8U);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(bytes.substr(8, 2), std::string("\x76\x00", 2));  // 118 bytes follow
  EXPECT_EQ(bytes.substr(10, 61), "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, ), }");
  EXPECT_EQ(bytes[127], '\n');
  EXPECT_EQ(bytes.substr(128), std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0", 8));
}

// The signature, the IHDR and the IEND that libpng writes for grey images of 3 by 2 pixels.
TEST(GreyPng, has_the_chunks_of_the_standard) {
  const std::vector<std::uint8_t> pixels{0, 255, 0, 255, 0, 255};
  const std::string bytes = grey_png(pixels, 2, 3);
  EXPECT_EQ(bytes.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(bytes.substr(8, 25), std::string("\0\0\0\x0d"
                                             "IHDR\0\0\0\x03\0\0\0\x02\x08\0\0\0\0"
                                             "\xb8\x1f\x39\xc6",
                                             25));
  EXPECT_EQ(bytes.substr(bytes.size() - 12), std::string("\0\0\0\0IEND\xae\x42\x60\x82", 12));
  EXPECT_EQ(bytes, grey_png(pixels, 2, 3));
}

}  // namespace
}  // namespace harmofl
