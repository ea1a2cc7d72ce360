// SPDX-License-Identifier: Apache-2.0
#include "data/partition/partition_file.hpp"

#include "data/shard_indices.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <string>
#include <vector>

namespace harmofl {
namespace {

using test::index_of;
using test::user_error_of;
using testing::AllOf;
using testing::HasSubstr;

std::vector<ShardIndex> two_sites() {
  return {index_of("a", Task::segmentation, {2, 1, 0}),
          index_of("b", Task::segmentation, {1, 0, 1})};
}

Partition small_partition() {
  return {{{"client_0000", {{{{0, 1}, {1, 0}}, {}, {{0 + 1, 0}}}}},
           {"client_0001", {{{{0, 0}}, {{0, 0}}, {}}}}}};
}

constexpr const char* small_text =
    "client,split,site,id\n"
    "client_0000,train,a,a_train1\n"
    "client_0000,train,b,b_train0\n"
    "client_0000,test,b,b_test0\n"
    "client_0001,train,a,a_train0\n"
    "client_0001,val,a,a_val0\n";

TEST(PartitionFile, has_a_line_a_sample) {
  EXPECT_EQ(partition_text(small_partition(), two_sites()), small_text);
}

TEST(PartitionFile, is_read_back_as_it_was_written) {
  EXPECT_EQ(parse_partition(small_text, two_sites(), "p.csv"), small_partition());
  auto shards = two_sites();
  shards[0].info.site = "a, \"the\" first";
  shards[0].splits[0].ids[1] = "two\nlines";
  const std::string text = partition_text(small_partition(), shards);
  EXPECT_THAT(text, HasSubstr("\"a, \"\"the\"\" first\",\"two\nlines\"\n"));
  EXPECT_EQ(parse_partition(text, shards, "p.csv"), small_partition());
}

TEST(PartitionFile, refuses_text_that_is_no_partition_of_the_shards) {
  const std::string text = small_text;
  const auto message = [&](const std::string& changed) {
    return user_error_of([&] { parse_partition(changed, two_sites(), "p.csv"); });
  };
  EXPECT_THAT(message(""), AllOf(HasSubstr("p.csv"), HasSubstr("client,split,site,id")));
  EXPECT_THAT(message(text.substr(0, text.size() - 9)), HasSubstr("record 6 ends in the middle"));
  EXPECT_THAT(message(text + "client_0001,val,a\n"), HasSubstr("record 7 has 3 cells"));
  EXPECT_THAT(message(text + "client_0001,val,a,a_val0\n"),
              HasSubstr("image 'a_val0' of site 'a'"));
  EXPECT_THAT(message(text + "client_0001,train,c,x\n"), HasSubstr("image 'x' of site 'c'"));
  EXPECT_THAT(message(text.substr(0, text.size() - 25)),
              AllOf(HasSubstr("'a_val0'"), HasSubstr("belongs to no client")));
}

TEST(PartitionFile, is_checked_against_the_partition_of_a_run) {
  const test::TempFolder folder;
  const auto path = folder / "partition.csv";
  std::ofstream(path) << small_text;
  check_partition_file(path, small_text);
  Partition other = small_partition();
  std::swap(other.clients[0].samples[0][0], other.clients[1].samples[0][0]);
  EXPECT_THAT(
      user_error_of([&] { check_partition_file(path, partition_text(other, two_sites())); }),
      AllOf(HasSubstr("partition.csv: line 2"), HasSubstr("a_train0'"),
            HasSubstr("found 'client_0000,train,a,a_train1'")));
  const std::string text = small_text;
  EXPECT_THAT(user_error_of([&] { check_partition_file(path, "x" + text.substr(1)); }),
              HasSubstr("line 1: expected 'x" + text.substr(1, text.find('\n') - 1) + "'"));
  std::ofstream(path, std::ios::app) << "more\n";
  EXPECT_THAT(user_error_of([&] { check_partition_file(path, small_text); }),
              AllOf(HasSubstr("line 7: expected nothing, found 'more'")));
  EXPECT_THAT(user_error_of([&] { check_partition_file(folder / "absent.csv", small_text); }),
              HasSubstr("absent.csv: cannot be read"));
}

}  // namespace
}  // namespace harmofl
