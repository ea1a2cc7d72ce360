// SPDX-License-Identifier: Apache-2.0
// Configuration and provenance of two runs, side by side.
#include "app/commands/diff/fact_difference.hpp"
#include "app/config/keys.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace harmofl {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ConfigValues defaults_with(const ConfigValues& changes) {
  ConfigValues values;
  for (const Key& key : config_keys()) values[key.name] = key.default_text;
  for (const auto& [key, value] : changes) values[key] = value;
  return values;
}

std::vector<FactDifference> differences(const ConfigValues& a, const ConfigValues& b) {
  return config_differences(defaults_with(a), defaults_with(b));
}

TEST(ConfigDifferences, are_the_keys_whose_values_differ_in_the_order_of_the_help) {
  EXPECT_THAT(differences({}, {}), IsEmpty());
  EXPECT_THAT(differences({{"train.lr", "0.1"}, {"run.seed", "3"}}, {{"train.lr", "0.2"}}),
              ElementsAre(FactDifference{"run.seed", "3", "0", true},
                          FactDifference{"train.lr", "0.1", "0.2", true}));
}

TEST(ConfigDifferences, do_not_count_two_spellings_of_a_number) {
  EXPECT_THAT(differences({{"train.lr", "0.10"}}, {{"train.lr", "1e-1"}}), IsEmpty());
  EXPECT_EQ(differences({{"run.name", "0.1x"}}, {{"run.name", "0.10x"}}).size(), 1U);
}

TEST(ConfigDifferences, say_what_cannot_change_the_rounds) {
  const auto matters = [](const std::string& key, const std::string& a, const std::string& b,
                          const std::string& reduce = "fast") {
    const auto found =
        differences({{key, a}, {"comm.reduce", reduce}}, {{key, b}, {"comm.reduce", reduce}});
    EXPECT_EQ(found.size(), 1U) << key;
    return found.at(0).matters;
  };
  for (const char* key : {"run.name", "run.output", "run.keep", "run.fingerprints", "run.measures",
                          "run.rounds", "data.shards", "data.residence", "device.lanes",
                          "comm.timeout", "personalize.epochs", "fleet.table", "model.script"}) {
    EXPECT_FALSE(matters(key, "1", "2")) << key;
  }
  for (const char* key : {"run.seed", "data.batch_size", "train.lr", "model.kernels", "device.type",
                          "device.threads", "device.precision", "data.hold_out", "cohort.size",
                          "model.weights", "algorithm.name", "amplitude.band"}) {
    EXPECT_TRUE(matters(key, "1", "2")) << key;
  }
  for (const char* key : {"comm.transport", "comm.placement"}) {
    EXPECT_TRUE(matters(key, "1", "2")) << key;
    EXPECT_FALSE(matters(key, "1", "2", "exact")) << key;
  }
}

TEST(ConfigDifferences, of_evaluation_matter_where_statistics_are_recomputed_by_it) {
  const auto found = [](const std::string& buffers) {
    return differences({{"run.evaluate_every", "1"}, {"model.buffers", buffers}},
                       {{"run.evaluate_every", "2"}, {"model.buffers", buffers}})
        .at(0)
        .matters;
  };
  EXPECT_FALSE(found("average"));
  EXPECT_TRUE(found("recompute"));
}

TEST(ConfigDifferences, take_the_default_of_a_key_that_is_newer_than_a_run) {
  ConfigValues older = defaults_with({});
  older.erase("run.fingerprints");
  EXPECT_THAT(config_differences(older, defaults_with({})), IsEmpty());
  EXPECT_THAT(config_differences(older, defaults_with({{"run.fingerprints", "true"}})),
              ElementsAre(FactDifference{"run.fingerprints", "false", "true", false}));
}

TEST(ConfigDifferences, list_keys_of_another_version_last) {
  EXPECT_THAT(config_differences({{"train.gone", "1"}, {"train.lr", "2"}}, {}),
              ElementsAre(FactDifference{"train.lr", "2", "0.001", true},
                          FactDifference{"train.gone", "1", "", true}));
}

TEST(IniValues, are_those_of_any_version) {
  EXPECT_EQ(ini_values("[run]\nname = a b\nnever_heard_of = 7\n[train]\nlr = 0.1\n", "c.ini"),
            (ConfigValues{{"run.name", "a b"}, {"run.never_heard_of", "7"}, {"train.lr", "0.1"}}));
  EXPECT_THAT(test::user_error_of([] { ini_values("[run]\nname\n", "c.ini"); }),
              HasSubstr("c.ini: holds a line that is not of the form"));
}

json rank_of(const std::string& host, int threads) {
  return {{"rank", 0},          {"host", host},       {"device", "CPU"},         {"lanes", 1},
          {"threads", threads}, {"process_id", 4711}, {"processor", "Some CPU"}, {"sites", {"a"}}};
}

json record() {
  const json split = {{"samples", 8}, {"xxh3", "aa"}};
  return {
      {"name", "x"},
      {"started", "2026-01-01T00:00:00Z"},
      {"harmofl",
       {{"version", "0.1.0"},
        {"git_commit", "abc"},
        {"build_type", "Release"},
        {"compiler", "GNU 12"},
        {"cuda", false}}},
      {"libraries", {{"torch", "2.6"}, {"mpi", "4.1"}}},
      {"scheduler", json::object()},
      {"accepted_changes", json::array()},
      {"ranks", {rank_of("north", 1)}},
      {"shards",
       {{{"site", "a"}, {"path", "x/a.h5"}, {"train", split}, {"val", split}, {"test", split}}}}};
}

std::vector<FactDifference> provenance(const json& a, const json& b, bool exact = true) {
  return provenance_differences({a, "a/run.json", "Mend it."}, {b, "b/run.json", "Mend it."},
                                exact);
}

TEST(ProvenanceDifferences, do_not_count_times_processes_and_jobs) {
  json other = record();
  other["started"] = "2027-01-01T00:00:00Z";
  other["name"] = "y";
  other["ranks"][0]["process_id"] = 3;
  other["scheduler"]["SLURM_JOB_ID"] = "9";
  EXPECT_THAT(provenance(record(), other), IsEmpty());
}

TEST(ProvenanceDifferences, name_program_libraries_and_machine) {
  json other = record();
  other["harmofl"]["git_commit"] = "def";
  other["libraries"]["torch"] = "2.7";
  other["libraries"]["hdf5"] = "1.10";
  other["ranks"][0]["processor"] = "Another CPU";
  other["ranks"][0]["threads"] = 4;
  EXPECT_THAT(provenance(record(), other),
              ElementsAre(FactDifference{"commit", "abc", "def", true},
                          FactDifference{"library torch", "2.6", "2.7", true},
                          FactDifference{"processor", "Some CPU", "Another CPU", true},
                          FactDifference{"threads a lane", "1", "4", true},
                          FactDifference{"library hdf5", "", "1.10", true}));
}

TEST(ProvenanceDifferences, name_the_site_and_split_of_other_data) {
  json other = record();
  other["shards"][0]["val"]["xxh3"] = "bb";
  other["shards"][0]["path"] = "y/a.h5";
  EXPECT_THAT(provenance(record(), other),
              ElementsAre(FactDifference{"data of a, val", "8 samples, xxh3 aa",
                                         "8 samples, xxh3 bb", true},
                          FactDifference{"shard of a", "x/a.h5", "y/a.h5", false}));
  other["shards"][0]["site"] = "c";
  EXPECT_EQ(provenance(record(), other).at(0), (FactDifference{"sites", "a", "c", true}));
}

TEST(ProvenanceDifferences, of_ranks_lanes_and_hosts_cannot_change_exact_rounds) {
  json other = record();
  other["ranks"].push_back(rank_of("south", 1));
  other["ranks"][0]["lanes"] = 3;
  const auto expected = [](bool ranks_matter) {
    return std::vector<FactDifference>{{"ranks", "1", "2", ranks_matter},
                                       {"lanes", "1", "1, 3", false},
                                       {"host", "north", "north, south", false}};
  };
  EXPECT_EQ(provenance(record(), other, true), expected(false));
  EXPECT_EQ(provenance(record(), other, false), expected(true));
}

TEST(ProvenanceDifferences, do_not_blame_a_processor_that_an_older_version_did_not_write_down) {
  json older = record();
  older["ranks"][0].erase("processor");
  older.erase("accepted_changes");
  EXPECT_THAT(provenance(older, record()),
              ElementsAre(FactDifference{"processor", "", "Some CPU", false}));
}

TEST(ProvenanceDifferences, name_data_that_a_run_went_on_with) {
  json other = record();
  other["accepted_changes"] = {{{"rounds_done", 4}, {"changes", {"a has other train samples"}}}};
  EXPECT_THAT(
      provenance(record(), other),
      ElementsAre(FactDifference{"accepted changes", "", "other data after 4 rounds", true}));
}

TEST(ProvenanceDifferences, refuse_what_no_run_writes) {
  json other = record();
  other["ranks"][0]["threads"] = "four";
  EXPECT_THAT(test::user_error_of([&] { provenance(record(), other); }),
              HasSubstr("b/run.json: ranks.0.threads: expected a whole number"));
  other = record();
  other.erase("shards");
  EXPECT_THAT(test::user_error_of([&] { provenance(other, record()); }),
              HasSubstr("a/run.json: 'shards' is missing"));
}

}  // namespace
}  // namespace harmofl
