// SPDX-License-Identifier: Apache-2.0
// Bytes of event files, by the definitions of their parts; TensorBoard's own package reads whole
// ones in tests/end_to_end/tensorboard_test.py.
#include "io/formats/event_file.hpp"

#include "io/formats/protobuf_writer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace harmofl {
namespace {

std::string hex(const std::string& bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += {digits[byte >> 4], digits[byte & 15]};
  }
  return text;
}

// The examples of https://protobuf.dev/programming-guides/encoding.
TEST(ProtobufWriter, writes_the_examples_of_the_format) {
  EXPECT_EQ(hex(ProtobufWriter().whole(1, 150).text()), "089601");
  EXPECT_EQ(hex(ProtobufWriter().bytes(2, "testing").text()), "120774657374696e67");
  ProtobufWriter inner;
  inner.whole(1, 150);
  EXPECT_EQ(hex(ProtobufWriter().message(3, inner).text()), "1a03089601");
  EXPECT_EQ(hex(ProtobufWriter().whole(1, -2).text()), "08feffffffffffffffff01");
  EXPECT_EQ(hex(ProtobufWriter().whole(1, 0).whole(15, 127).text()), "0800787f");
}

TEST(ProtobufWriter, writes_numbers_in_ieee_754_from_the_lowest_byte) {
  EXPECT_EQ(hex(ProtobufWriter().real(1, 1.0).text()), "09000000000000f03f");
  EXPECT_EQ(hex(ProtobufWriter().real(2, -2.0F).text()), "15000000c0");
}

TEST(ProtobufWriter, says_how_long_a_long_text_is) {
  const std::string bytes = ProtobufWriter().bytes(1, std::string(300, 'x')).text();
  EXPECT_EQ(hex(bytes.substr(0, 3)), "0aac02");
  EXPECT_EQ(bytes.size(), 303U);
}

// CRC-32C of "123456789" is e3069283, as its catalogue says.
TEST(EventFile, frames_a_record_by_length_and_masked_checksums) {
  EXPECT_EQ(hex(event_record("123456789")),
            "0900000000000000"
            "37f97139"
            "313233343536373839"
            "e5b08ac7");
}

TEST(EventFile, begins_with_its_version) {
  const std::string event = first_event(1.0).substr(12);
  EXPECT_EQ(hex(event.substr(0, event.size() - 4)),
            "09000000000000f03f"            // wall_time 1
            "1a0d"                          // file_version
            "627261696e2e4576656e743a32");  // "brain.Event:2"
}

TEST(EventFile, says_where_a_program_went_on) {
  const std::string event = start_event(1.0, 7).substr(12);
  EXPECT_EQ(hex(event.substr(0, event.size() - 4)),
            "09000000000000f03f"  // wall_time 1
            "1007"                // step 7
            "3a020801");          // session_log, status START
}

TEST(EventFile, keeps_scalars_as_float32) {
  EventValues values;
  values.scalars.push_back({"a/b", 0.1});
  const std::string event = values_event(1.0, 3, values).substr(12);
  EXPECT_EQ(hex(event.substr(0, event.size() - 4)),
            "09000000000000f03f"  // wall_time 1
            "1003"                // step 3
            "2a0c0a0a"            // summary, value
            "0a03612f62"          // tag
            "15cdcccc3d");        // simple_value
}

TEST(EventFile, gets_a_name_behind_all_that_are_there) {
  EXPECT_EQ(event_file_name(1700000000, "node", 7, {}), "events.out.tfevents.1700000000.node.7.0");
  EXPECT_EQ(event_file_name(
                1700000000, "node", 7,
                {"events.out.tfevents.1700000000.node.99.0",
                 "events.out.tfevents.1700000005.other.1.0", "notes.txt", "events.out.tfevents.x"}),
            "events.out.tfevents.1700000006.node.7.0");
  EXPECT_EQ(event_file_name(5, "node", 7, {}), "events.out.tfevents.0000000005.node.7.0");
}

}  // namespace
}  // namespace harmofl
