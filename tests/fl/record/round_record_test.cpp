// SPDX-License-Identifier: Apache-2.0
// What a line of rounds.jsonl says.
#include "fl/record/round_record.hpp"

#include "support/world.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace harmofl {
namespace {

using nlohmann::json;
using test::world;

TEST(RoundRecord, holds_mean_and_largest_of_every_rank) {
  const auto rank = static_cast<double>(world().rank().value());
  RankRound own{{{"train", 1.0 + rank}},
                5 + world().rank().value(),
                100 * (world().rank().value() + 1),
                10 * (world().rank().value() + 1)};
  if (world().is_root()) own.seconds["save"] = 6.0;  // a phase that other ranks do not have
  RoundRecord record;
  record.ranks = gather_rank_rounds(own, world());
  if (!world().is_root()) {
    EXPECT_TRUE(record.ranks.empty());
    return;
  }
  const auto ranks = static_cast<double>(world().size());
  const json line = record.to_json();
  EXPECT_EQ(line["client_steps"], world().size() * (world().size() + 9) / 2);  // 5 + 6 + ...
  EXPECT_DOUBLE_EQ(line["phases"]["train"]["mean"], (ranks + 1.0) / 2.0);
  EXPECT_DOUBLE_EQ(line["phases"]["train"]["max"], ranks);
  EXPECT_DOUBLE_EQ(line["phases"]["save"]["mean"], 6.0 / ranks);
  EXPECT_DOUBLE_EQ(line["phases"]["save"]["max"], 6.0);
  EXPECT_DOUBLE_EQ(line["peak_memory_bytes"]["max"], 100.0 * ranks);
  EXPECT_DOUBLE_EQ(line["peak_gpu_memory_bytes"]["max"], 10.0 * ranks);
  EXPECT_DOUBLE_EQ(line["peak_gpu_memory_bytes"]["mean"], 10.0 * (ranks + 1.0) / 2.0);
}

TEST(RoundRecord, says_who_waited_longest_and_for_whom) {
  RoundRecord record;
  record.ranks = {{{{"wait", 1.0}}, 1}, {{{"wait", 0.25}}, 1}, {{{"wait", 4.0}}, 1}};
  EXPECT_EQ(record.to_json()["waiting"],
            (json{{"rank", 2}, {"seconds", 4.0}, {"awaited_rank", 1}}));
  record.ranks[1].seconds.clear();  // it was there last and never waited
  EXPECT_EQ(record.to_json()["waiting"]["awaited_rank"], 1);
  record.ranks = {{{{"wait", 1.0}}, 1}};
  EXPECT_FALSE(record.to_json().contains("waiting"));
  record.ranks = {{{{"train", 1.0}}, 1}, {{{"train", 1.0}}, 1}};
  EXPECT_FALSE(record.to_json().contains("waiting"));
}

TEST(RoundRecord, says_nothing_of_gpus_where_no_rank_uses_one) {
  RoundRecord record;
  record.ranks = {{{}, 1, 100}, {{}, 1, 200}};
  EXPECT_FALSE(record.to_json().contains("peak_gpu_memory_bytes"));
}

TEST(RoundRecord, holds_the_joules_of_each_rank_by_kind_and_phase) {
  const auto rank = static_cast<double>(world().rank().value());
  RankRound own{{}, 7, 100, 0, {{"cpu/train", 10.0 + rank}, {"gpu/other", std::nan("")}}};
  if (world().is_root()) own.joules["cpu/save"] = 2.5;
  RoundRecord record;
  record.ranks = gather_rank_rounds(own, world());
  if (!world().is_root()) return;
  json train = json::array(), save = json::array(), lost = json::array();
  for (std::int64_t r = 0; r < world().size(); ++r) {
    train.push_back(10.0 + static_cast<double>(r));
    save.push_back(r == 0 ? 2.5 : 0.0);
    lost.push_back(nullptr);
  }
  EXPECT_EQ(record.to_json().at("joules"),
            (json{{"cpu", {{"train", train}, {"save", save}}}, {"gpu", {{"other", lost}}}}));
}

TEST(RoundRecord, says_nothing_of_joules_where_none_are_measured) {
  RoundRecord record;
  record.ranks = {{{}, 1, 100}, {{}, 1, 200}};
  EXPECT_FALSE(record.to_json().contains("joules"));
}

TEST(RoundRecord, says_who_took_part_and_what_was_lost) {
  const RoundRecord record{.round = RoundId{4},
                           .seconds = 2.5,
                           .clients = 3,
                           .counted = 2,
                           .lost = {{"straggler", 2}, {"dropped_after", 1}},
                           .simulated_s = 7.5,
                           .sent_bytes = 800,
                           .moved_clients = 1,
                           .ranks = {}};
  EXPECT_EQ(record.to_json(), (json{{"round", 4},
                                    {"seconds", 2.5},
                                    {"clients", 3},
                                    {"counted", 2},
                                    {"lost", {{"straggler", 2}, {"dropped_after", 1}}},
                                    {"simulated_seconds", 7.5},
                                    {"sent_bytes", 800},
                                    {"moved_clients", 1}}));
}

}  // namespace
}  // namespace harmofl
