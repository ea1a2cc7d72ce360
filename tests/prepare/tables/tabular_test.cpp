// SPDX-License-Identifier: Apache-2.0
#include "prepare/tables/tabular.hpp"

#include "harmofl/io/shard.hpp"
#include "prepare/subcommands.hpp"
#include "prepare/tables/table.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using test::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;

/// Two sites, a number and a category. Site a: training numbers 1, 2, 3 and 6 (mean 3, variance
/// 14 / 3).
constexpr const char* rows =
    "name,site,split,label,age,kind,unused\n"
    "a1,a,train,0,1,4.0,x\n"
    "a2,a,train,1,2,2,x\n"
    "a3,a,train,1,3,10,x\n"
    "a4,a,train,0,6,2.0,x\n"
    "a5,a,test,1,7.5,4,x\n"
    "b1,b,train,0,10,2,x\n"
    "b2,b,train,0,14,2,x\n"
    "b3,b,val,1,12,2,x\n";

class Tabular : public testing::Test {
 protected:
  Tabular() { write(rows); }
  void write(const std::string& text) const { std::ofstream(folder_ / "t.csv") << text; }
  /// The rows with the first `from` replaced.
  void change(const std::string& from, const std::string& to) const {
    std::string text = rows;
    text.replace(text.find(from), from.size(), to);
    write(text);
  }
  std::string run() const {
    std::ostringstream report;
    EXPECT_EQ(convert_table(options_, report), ExitCode::done);
    return report.str();
  }
  std::string error() const {
    return test::user_error_of([&] {
      std::ostringstream report;
      convert_table(options_, report);
    });
  }
  ShardReader shard(const std::string& site) const {
    return ShardReader(folder_ / "out" / (site + ".h5"));
  }
  /// The values of a split, row after row.
  std::vector<float> values(const std::string& site, Split split) const {
    const SplitData data = shard(site).read(split);
    std::vector<float> values(data.images.size() / sizeof(float));
    std::memcpy(values.data(), data.images.data(), data.images.size());
    return values;
  }

  test::TempFolder folder_;
  TabularOptions options_{.input = folder_ / "t.csv",
                          .output = folder_ / "out",
                          .id_column = "name",
                          .numeric = {"age"},
                          .categorical = {"kind"},
                          .standardise = Standardise::none};
};

TEST_F(Tabular, makes_a_channel_of_each_column_and_level) {
  const std::string report = run();
  EXPECT_THAT(report, AllOf(HasSubstr("a: train 4, val 0, test 1; 0 40.0 %, 1 60.0 %"),
                            HasSubstr("4 features: age, kind=2, kind=4, kind=10")));
  const ShardInfo info = shard("a").info();
  EXPECT_EQ(info.task, Task::classification);
  EXPECT_EQ(info.pixel_type, PixelType::float32);
  EXPECT_EQ(std::tuple(info.channels, info.height, info.width), std::tuple(4, 1, 1));
  EXPECT_EQ(info.intensity_scale, 1.0);
  EXPECT_THAT(info.class_names, ElementsAre("0", "1"));
  EXPECT_THAT(values("a", Split::train),
              ElementsAre(1, 0, 1, 0, 2, 1, 0, 0, 3, 0, 0, 1, 6, 1, 0, 0));
  EXPECT_THAT(values("b", Split::val), ElementsAre(12, 1, 0, 0));
  EXPECT_THAT(shard("a").read(Split::train).labels, ElementsAre(0, 1, 1, 0));
  EXPECT_THAT(shard("a").ids(Split::train), ElementsAre("a1", "a2", "a3", "a4"));
  EXPECT_TRUE(shard("a").groups(Split::train).empty());
}

TEST_F(Tabular, drops_the_first_level_and_names_rows_after_lines_when_asked) {
  options_.drop_first = true;
  options_.id_column.clear();
  options_.patient_column = "name";
  run();
  EXPECT_THAT(values("a", Split::test), ElementsAre(7.5, 1, 0));
  EXPECT_THAT(shard("b").ids(Split::train), ElementsAre("line7", "line8"));
  EXPECT_THAT(shard("b").groups(Split::train), ElementsAre("b1", "b2"));
}

TEST_F(Tabular, standardises_by_the_training_rows_of_the_site) {
  options_.standardise = Standardise::site;
  options_.categorical.clear();
  run();
  const double std_a = std::sqrt(14.0 / 3.0) + 1e-9, std_b = std::sqrt(8.0) + 1e-9;
  EXPECT_THAT(values("a", Split::test), ElementsAre(FloatEq(static_cast<float>(4.5 / std_a))));
  EXPECT_THAT(values("a", Split::train)[0], FloatEq(static_cast<float>(-2.0 / std_a)));
  EXPECT_THAT(values("b", Split::train), ElementsAre(FloatEq(static_cast<float>(-2.0 / std_b)),
                                                     FloatEq(static_cast<float>(2.0 / std_b))));
  EXPECT_THAT(values("b", Split::val), ElementsAre(0.0F));
  const auto facts = nlohmann::json::parse(shard("a").info().preprocessing);
  EXPECT_EQ(facts.at("columns"), nlohmann::json({"age"}));
  EXPECT_EQ(facts.at("mean"), nlohmann::json({3.0}));
  EXPECT_EQ(facts.at("standardise"), "site");
}

TEST_F(Tabular, standardises_by_the_training_rows_of_all) {
  options_.standardise = Standardise::all;
  options_.categorical.clear();
  run();
  // 1, 2, 3, 6, 10, 14: mean 6, squares 25 + 16 + 9 + 0 + 16 + 64 = 130
  const double std = std::sqrt(130.0 / 5.0) + 1e-9;
  EXPECT_THAT(values("a", Split::test), ElementsAre(FloatEq(static_cast<float>(1.5 / std))));
  EXPECT_THAT(values("b", Split::val), ElementsAre(FloatEq(static_cast<float>(6.0 / std))));
}

TEST_F(Tabular,
       takes_a_column_that_is_the_same_in_all_rows_but_not_one_that_is_only_so_in_training) {
  options_.standardise = Standardise::site;
  run();  // kind of site b is 2 in every row
  EXPECT_THAT(values("b", Split::train)[1], 0.0F);
  change("b3,b,val,1,12,2", "b3,b,val,1,12,4");
  options_.overwrite = true;
  EXPECT_THAT(error(), AllOf(HasSubstr("t.csv:9: column 'kind=2': 0 cannot be standardised"),
                             HasSubstr("--standardise all")));
}

TEST_F(Tabular, refuses_cells_by_line_and_column) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"a2,a,train,1,2,", "a2,a,train,1,,", "t.csv:3: column 'age': is empty"},
      {"a2,a,train,1,2,", "a2,a,train,1,nan,", "column 'age': 'nan' is not a finite number"},
      {"a2,a,train,1,2,", "a2,a,train,1,inf,", "column 'age': 'inf' is not a finite number"},
      {"a2,a,train,1,2,", "a2,a,train,1,1e39,", "column 'age': '1e39' is not a finite number"},
      {"a2,a,train,1,2,", "a2,a,train,1,2y,", "column 'age': '2y' is not a finite number"},
      {"a2,a,train,1,", "a2,a,train,,", "t.csv:3: column 'label': is empty"},
      {"a2,a,train", "a2,a,Train", "column 'split': 'Train' is not a split"},
      {"a2,a,", "a2,,", "column 'site': is empty"},
      {"a2,a,", "a1,a,", "t.csv:3: column 'name': 'a1' is already that of line 2"},
      {"7.5,4,", "7.5,5,", "t.csv:6: column 'kind': '5' is in no training row"},
      {"7.5,4,", "7.5,,", "column 'kind': is empty"},
      {"name,site", "name,sites", "t.csv:1: there is no column 'site'. Did you mean 'sites'?"},
  };
  for (const auto& [from, to, expected] : cases) {
    change(from, to);
    EXPECT_THAT(error(), HasSubstr(expected)) << to;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out/a.h5"));
  }
  write("name,site,split,label,age,kind\n");
  EXPECT_THAT(error(), HasSubstr("no row below the header"));
}

TEST_F(Tabular, refuses_sites_that_cannot_be_files_and_too_few_rows_for_a_deviation) {
  change("b1,b,train", "b1,../b,train");
  EXPECT_THAT(error(), HasSubstr("site"));
  options_.standardise = Standardise::site;
  change("b1,b,train", "b1,b,test");
  EXPECT_THAT(error(), HasSubstr("site 'b': 1 training rows give no standard deviation"));
}

TEST_F(Tabular, keeps_shards_of_the_same_table_and_defends_others) {
  run();
  EXPECT_THAT(run(), HasSubstr("b: train 2, val 1, test 0; 0 66.7 %, 1 33.3 %; kept"));
  options_.drop_first = true;
  EXPECT_THAT(error(), HasSubstr("made from other rows or with other options"));
  options_.overwrite = true;
  run();
  EXPECT_EQ(shard("a").info().channels, 3);
}

TEST(TabularOptions, are_parsed_and_refuse_columns_that_are_two_things) {
  const auto parsed = [](std::vector<std::string> more) {
    std::vector<std::string> all{"--input", "t.csv", "--output", "out"};
    all.insert(all.end(), more.begin(), more.end());
    return parse_tabular(all).options;
  };
  const TabularOptions options =
      parsed({"--numeric", "a,b", "--categorical", "c", "--drop-first", "--standardise", "all",
              "--site-column", "s", "--id-column", "i"});
  EXPECT_THAT(options.numeric, ElementsAre("a", "b"));
  EXPECT_THAT(options.categorical, ElementsAre("c"));
  EXPECT_TRUE(options.drop_first);
  EXPECT_EQ(options.standardise, Standardise::all);
  EXPECT_EQ(options.site_column, "s");
  const auto refusal = [&](const std::vector<std::string>& more) {
    return test::error_of<UsageError>([&] { parsed(more); });
  };
  EXPECT_THAT(refusal({}), HasSubstr("no column is to be learnt from"));
  EXPECT_THAT(refusal({"--numeric", "a,label"}), HasSubstr("the column 'label' is given twice"));
  EXPECT_THAT(refusal({"--numeric", "a", "--standardise", "each"}),
              HasSubstr("Known: site, all, none"));
  EXPECT_THAT(refusal({"--numerics", "a"}), HasSubstr("Did you mean --numeric?"));
  EXPECT_THAT(parse_tabular({"--help"}).answer, HasSubstr("harmofl-prepare tabular"));
}

}  // namespace
