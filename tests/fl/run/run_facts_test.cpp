// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_facts.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <functional>

namespace harmofl {
namespace {

using nlohmann::json;
using test::user_error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t rounds_done = 5;

RunFacts some_facts() {
  RunFacts facts{true, RunProgress{}};
  RunProgress& progress = *facts.progress;
  progress.log.best_round = 3;
  progress.log.best_value = 0.5;
  progress.log.best_val.sites = {{"north", {{"dice", 0.5}}}};
  progress.log.lost = {{"late", 2}};
  progress.seconds = {{"train", 2.5}, {"save", 0.0}};
  progress.sent_bytes = 4096;
  progress.clients = {"north", "south", "west"};
  progress.placement = {Rank{1}, Rank{0}, Rank{1}};
  progress.ranks = 2;
  facts.trained_on =
      TrainedOn{{Task::segmentation, 2, 3, 128, 96},
                {"background", "nucleus"},
                {{R"({"size":"128x96"})", 255.0, {"north", "south"}}, {"", 1.0, {"west"}}}};
  return facts;
}

RunFacts parsed(const std::string& state) {
  return parse_facts({rounds_done, "fedavg", "", state}, "run/c.h5");
}

/// The error of the facts above after `change`.
std::string error_after(const std::function<void(json&)>& change) {
  json state = json::parse(to_json(some_facts()));
  change(state);
  const std::string error = user_error_of([&] { parsed(state.dump()); });
  EXPECT_THAT(error, AllOf(HasSubstr("run/c.h5: attribute 'state'"), Not(HasSubstr("\n")),
                           HasSubstr("Resume from another checkpoint")));
  return error;
}

std::string error_with(const char* member, const json& value) {
  return error_after([&](json& state) { state[member] = value; });
}

TEST(RunFacts, are_what_was_written) {
  const RunFacts found = parsed(to_json(some_facts()));
  EXPECT_TRUE(found.amplitude_frozen);
  ASSERT_TRUE(found.progress);
  EXPECT_EQ(found.progress->log.best_round, 3);
  EXPECT_EQ(found.progress->log.best_val.sites.at("north").at("dice"), 0.5);
  EXPECT_EQ(found.progress->log.lost.at("late"), 2);
  EXPECT_EQ(found.progress->seconds, some_facts().progress->seconds);
  EXPECT_EQ(found.progress->sent_bytes, 4096);
  EXPECT_THAT(found.progress->clients, ElementsAre("north", "south", "west"));
  EXPECT_THAT(found.progress->placement, ElementsAre(Rank{1}, Rank{0}, Rank{1}));
  EXPECT_EQ(found.progress->ranks, 2);
  ASSERT_TRUE(found.trained_on);
  EXPECT_EQ(found.trained_on->shape.task, Task::segmentation);
  EXPECT_EQ(found.trained_on->shape.classes, 2);
  EXPECT_EQ(found.trained_on->shape.channels, 3);
  EXPECT_EQ(found.trained_on->shape.height, 128);
  EXPECT_EQ(found.trained_on->shape.width, 96);
  EXPECT_EQ(found.trained_on->class_names, some_facts().trained_on->class_names);
  EXPECT_EQ(found.trained_on->origins, some_facts().trained_on->origins);
  const RunFacts bare = parsed(to_json(RunFacts{false, std::nullopt}));
  EXPECT_FALSE(bare.progress);
  EXPECT_FALSE(bare.trained_on);
}

TEST(RunFacts, may_say_that_nothing_was_sent) {
  RunFacts facts = some_facts();
  facts.progress->sent_bytes = 0;
  EXPECT_EQ(parsed(to_json(facts)).progress->sent_bytes, 0);
}

TEST(RunFacts, of_older_files_may_lack_what_they_did_not_say) {
  json state = json::parse(to_json(some_facts()));
  for (const char* member : {"seconds", "sent_bytes", "clients", "placement", "ranks"}) {
    state.erase(member);
  }
  const RunFacts found = parsed(state.dump());
  ASSERT_TRUE(found.progress);
  EXPECT_EQ(found.progress->ranks, 0);
}

TEST(RunFacts, give_every_client_one_of_the_ranks) {
  for (const json& bad : {json::array(), json{1, 0}, json{1, 0, 1, 1}}) {
    EXPECT_THAT(error_with("placement", bad),
                HasSubstr("placement: expected a rank for each of 3 clients"));
  }
  for (const json& rank : {json(2), json(99), json(-1), json(std::int64_t{1} << 62), json("x"),
                           json(0.5), json(nullptr)}) {
    EXPECT_THAT(error_with("placement", {1, 0, rank}),
                HasSubstr("placement.2: expected a whole number from 0 to 1, found"));
  }
  EXPECT_THAT(error_with("placement", "x"), HasSubstr("placement: expected a list"));
  EXPECT_THAT(error_after([](json& state) { state.erase("placement"); }),
              HasSubstr("'placement' is missing"));
  EXPECT_THAT(error_after([](json& state) { state.erase("clients"); }), HasSubstr("of 0 clients"));
}

TEST(RunFacts, have_members_of_their_types_within_their_ranges) {
  EXPECT_THAT(error_with("amplitude_frozen", 1), HasSubstr("amplitude_frozen: expected true"));
  EXPECT_THAT(error_with("log", 7), HasSubstr("log: expected an object"));
  EXPECT_THAT(error_with("log", {{"best_round", 0}}), HasSubstr("log: 'best_value' is missing"));
  EXPECT_THAT(error_with("seconds", {1.0}), HasSubstr("seconds: expected an object"));
  EXPECT_THAT(error_with("seconds", {{"train", nullptr}}), HasSubstr("seconds.'train'"));
  EXPECT_THAT(error_with("sent_bytes", -1), HasSubstr("sent_bytes"));
  EXPECT_THAT(error_with("sent_bytes", INT64_MAX), HasSubstr("sent_bytes"));
  EXPECT_THAT(error_with("clients", "north"), HasSubstr("clients: expected a list"));
  EXPECT_THAT(error_with("clients", {"north", 3, "west"}), HasSubstr("clients.1: expected a text"));
  EXPECT_THAT(error_with("clients", {"north", "west", "north"}), HasSubstr("clients.2: names"));
  for (const json& ranks : {json(0), json(-1), json(1LL << 31), json("2"), json(nullptr)}) {
    EXPECT_THAT(error_with("ranks", ranks), HasSubstr("ranks: expected a whole number from 1"));
  }
  EXPECT_THAT(error_after([](json& state) { state.erase("amplitude_frozen"); }),
              HasSubstr("'amplitude_frozen' is missing"));
}

TEST(RunFacts, know_no_best_round_that_is_still_to_come) {
  json state = json::parse(to_json(some_facts()));
  state["log"]["best_round"] = rounds_done;
  EXPECT_THAT(user_error_of([&] { parsed(state.dump()); }), HasSubstr("from -1 to 4, found 5"));
}

TEST(RunFacts, are_one_object_of_json) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string(R"({"log":})"), std::string("[[]]"),
        std::string("null"), std::string("\"x\""), std::string(2'000'000, '['),
        std::string(R"({"amplitude_frozen":true,"amplitude_frozen":true})")}) {
    const std::string error = user_error_of([&] { parsed(text); });
    EXPECT_THAT(error, AllOf(HasSubstr("run/c.h5: attribute 'state'"), Not(HasSubstr("\n"))));
    EXPECT_LT(error.size(), 300U);
  }
}

}  // namespace
}  // namespace harmofl
