// SPDX-License-Identifier: Apache-2.0
// What of a round differs first, from cause to effect.
#include "app/commands/diff/fingerprint_difference.hpp"

#include "app/commands/diff/difference_text.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ClientFingerprints client_of(const std::string& site) {
  return {.site = site,
          .weight = 0.5,
          .batches = "b" + site,
          .kept_before = {{"optimizer.m", "k0"}},
          .model = {"w1", "v1"},
          .extra = "",
          .kept = {{"optimizer.m", "k1"}}};
}

RoundFingerprints round_of() {
  return {.round = 3,
          .tensors = {{"conv.weight", {4, 3}}, {"conv.bias", {}}},
          .start = {"w0", "v0"},
          .clients = {client_of("north"), client_of("south")},
          .average = {"wa", "va"},
          .server = {{"u", "s1"}},
          .model = {"w2", "v2"}};
}

using Change = std::function<void(RoundFingerprints&)>;

std::optional<RoundDifference> difference_after(const Change& change) {
  RoundFingerprints other = round_of();
  change(other);
  return first_difference(round_of(), other);
}

std::string text_after(const Change& change, const std::string& elsewhere = "") {
  return what_differs({3, difference_after(change).value(), elsewhere});
}

TEST(FirstDifference, is_nothing_in_rounds_that_are_the_same) {
  EXPECT_FALSE(difference_after([](RoundFingerprints&) {}));
}

TEST(FirstDifference, names_the_part_of_the_round_and_its_tensors) {
  struct Row {
    RoundPart part;
    Change change;
    std::vector<std::string> names;
    std::string text;
  };
  const std::vector<Row> rows{
      {RoundPart::start,
       [](auto& r) { r.start[1] = "x"; },
       {"conv.bias []"},
       "differ from the start"},
      {RoundPart::average,
       [](auto& r) { r.average = {"x", "y"}; },
       {"conv.weight [4, 3]", "conv.bias []"},
       "the update of every client is the same, but their average is not: 2 of 2 tensors, "
       "conv.weight [4, 3] first"},
      {RoundPart::server, [](auto& r) { r.server["u"] = "x"; }, {"u"}, "keeps at the server"},
      {RoundPart::server, [](auto& r) { r.server.clear(); }, {"u (in A alone)"}, "1 of 1 tensors"},
      {RoundPart::model,
       [](auto& r) { r.model[0] = "x"; },
       {"conv.weight [4, 3]"},
       "the model that the round ended with"}};
  for (const Row& row : rows) {
    const auto found = difference_after(row.change);
    ASSERT_TRUE(found) << row.text;
    EXPECT_EQ(found->part, row.part) << row.text;
    EXPECT_EQ(found->tensors.names, row.names);
    EXPECT_THAT(text_after(row.change), HasSubstr(row.text));
  }
}

TEST(FirstDifference, is_the_cause_before_what_comes_of_it) {
  const auto part_of = [](const Change& change) { return difference_after(change)->part; };
  const Change all = [](RoundFingerprints& r) {
    r.clients[1].model[0] = r.model[0] = r.average[0] = r.server["u"] = "x";
  };
  EXPECT_EQ(part_of(all), RoundPart::clients);
  EXPECT_EQ(part_of([&](auto& r) { all(r), r.clients.pop_back(); }), RoundPart::cohort);
  EXPECT_EQ(part_of([&](auto& r) { all(r), r.clients.pop_back(), r.start[0] = "x"; }),
            RoundPart::start);
  EXPECT_EQ(part_of([](auto& r) { r.server["u"] = r.model[1] = "x"; }), RoundPart::server);
}

TEST(FirstDifference, takes_an_average_that_is_not_written_for_the_model) {
  RoundFingerprints a = round_of(), b = round_of();
  a.average = a.model;
  b.average.clear();
  EXPECT_FALSE(first_difference(a, b));
  b.model[0] = "x";
  EXPECT_EQ(first_difference(a, b)->part, RoundPart::average);
}

TEST(FirstDifference, tells_what_of_a_client_differs_first) {
  struct Row {
    WorkPart part;
    std::function<void(ClientFingerprints&)> change;
    std::string text;
  };
  const std::vector<Row> rows{
      {WorkPart::kept_before, [](auto& c) { c.kept_before["optimizer.m"] = "x"; },
       "client south had kept something else from its rounds before: 1 of 1 tensors, optimizer.m; "
       "its model is the same all the same"},
      {WorkPart::batches, [](auto& c) { c.batches = "x", c.model[1] = "y"; },
       "client south trained on other batches (images, labels or their order), from the same "
       "model; its model then differs too: 1 of 2 tensors, conv.bias []"},
      {WorkPart::model, [](auto& c) { c.model[1] = "x", c.kept["optimizer.m"] = "y"; },
       "client south's model differs after its local training, though start and batches are the "
       "same: 1 of 2 tensors, conv.bias []"},
      {WorkPart::extra, [](auto& c) { c.extra = "x"; }, "sends something else beside its model"},
      {WorkPart::kept, [](auto& c) { c.kept["v"] = "x"; },
       "keeps something else for its next round, beside the same model: 1 of 2 tensors, v (in B "
       "alone)"},
      {WorkPart::weight, [](auto& c) { c.weight = 0.25; }, "counts 0.5 in A and counts 0.25 in B"},
      {WorkPart::weight, [](auto& c) { c.weight.reset(); }, "does not count in B"}};
  for (const Row& row : rows) {
    const Change change = [&](RoundFingerprints& r) { row.change(r.clients[1]); };
    const auto found = difference_after(change);
    ASSERT_TRUE(found) << row.text;
    EXPECT_EQ(found->part, RoundPart::clients) << row.text;
    ASSERT_EQ(found->clients.size(), 1U) << row.text;
    EXPECT_EQ(found->clients[0].site, "south");
    EXPECT_EQ(found->clients[0].parts.front(), row.part) << row.text;
    EXPECT_THAT(text_after(change), HasSubstr(row.text));
  }
}

TEST(FirstDifference, is_told_by_the_client_with_the_earliest_cause) {
  const Change change = [](RoundFingerprints& r) {
    r.clients[0].weight = 0.4;  // since the other has fewer samples now
    r.clients[1].weight = 0.6;
    r.clients[1].batches = "x";
  };
  EXPECT_EQ(main_client(difference_after(change).value()).site, "south");
  EXPECT_THAT(text_after(change), AllOf(HasSubstr("client south trained on other batches"),
                                        HasSubstr("Other clients differ too: north")));
}

TEST(FirstDifference, names_the_clients_that_one_run_alone_trained) {
  const auto found = difference_after([](auto& r) { r.clients[0].site = "east"; });
  EXPECT_EQ(found->part, RoundPart::cohort);
  EXPECT_THAT(found->only_a, ElementsAre("north"));
  EXPECT_THAT(found->only_b, ElementsAre("east"));
  EXPECT_EQ(text_after([](auto& r) { r.clients[0].site = "east"; }),
            "other clients trained; in A alone: north; in B alone: east");
  const Change swapped = [](auto& r) { std::swap(r.clients[0], r.clients[1]); };
  EXPECT_THAT(difference_after(swapped)->only_a, IsEmpty());
  EXPECT_THAT(text_after(swapped), HasSubstr("numbered in another order"));
}

TEST(FirstDifference, names_tensors_that_one_model_alone_has) {
  const Change wider = [](auto& r) { r.tensors[0].shape = {8, 3}; };
  EXPECT_EQ(difference_after(wider)->part, RoundPart::tensors);
  EXPECT_EQ(text_after(wider),
            "the models do not have the same tensors; in A alone: conv.weight "
            "[4, 3]; in B alone: conv.weight [8, 3]");
}

TEST(FirstDifference, says_which_run_went_on_with_something_else) {
  const Change change = [](auto& r) { r.start[0] = "x"; };
  EXPECT_THAT(text_after(change, "B"), HasSubstr("B went on with something else than it had"));
  EXPECT_THAT(what_differs({0, difference_after(change).value(), ""}),
              HasSubstr("the runs begin with other models: 1 of 2 tensors"));
  EXPECT_THAT(text_after(change), Not(HasSubstr("went on with something else")));
}

TEST(FirstDifference, shows_no_control_characters_of_a_file) {
  const Change change = [](auto& r) { r.clients[1].site = "a\x1B[2J"; };
  EXPECT_THAT(text_after(change), AllOf(HasSubstr("a\\x1B[2J"), Not(HasSubstr("\x1B"))));
}

}  // namespace
}  // namespace harmofl
