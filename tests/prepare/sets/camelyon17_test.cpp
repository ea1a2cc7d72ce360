// SPDX-License-Identifier: Apache-2.0
#include "prepare/sets/camelyon17.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string header = ",patient,node,x_coord,y_coord,tumor,slide,center,split\n";

/// A row of a hospital.
std::string row(int patient, int x, int hospital, int split, int tumour = 0) {
  return concat("7,0", patient, ",4,", x, ",21792,", tumour, ",9,", hospital, ',', split, '\n');
}

CamelyonOptions by(CamelyonSplit split) {
  CamelyonOptions options;
  options.split = split;
  return options;
}

TEST(CamelyonTable, names_the_files_as_wilds_does) {
  const auto table = parse_camelyon_table(header + "0,004,4,3328,21792,1,10,3,0\n", "metadata.csv");
  const Patch& patch = table.hospitals[3].at(0);
  EXPECT_EQ(table.file(patch),
            "patches/patient_004_node_4/patch_patient_004_node_4_x_3328_y_21792.png");
  EXPECT_TRUE(patch.tumour);
}

TEST(CamelyonTable, refuses_patients_that_lead_elsewhere) {
  for (const char* patient : {"../x", "", "a", "123456789", "0 4", "-1"}) {
    const std::string text = concat(header, "0,", patient, ",4,1,1,1,10,3,0\n");
    EXPECT_THAT(test::user_error_of([&] { parse_camelyon_table(text, "m.csv"); }),
                HasSubstr("m.csv:2: column 'patient'"));
  }
}

TEST(DealPatches, follow_wilds_by_hospital) {
  std::string text = header;
  for (int hospital = 0; hospital < 5; ++hospital) {
    text += row(10 + hospital, 1, hospital, 0) + row(10 + hospital, 2, hospital, 1);
  }
  const auto table = parse_camelyon_table(text, "m.csv");
  const auto options = by(CamelyonSplit::wilds);
  EXPECT_THAT(deal_patches(table, 0, options), ElementsAre(Split::train, Split::val));
  EXPECT_THAT(deal_patches(table, 1, options), ElementsAre(Split::val, Split::val));
  EXPECT_THAT(deal_patches(table, 2, options), ElementsAre(Split::test, Split::test));
  EXPECT_THAT(deal_patches(table, 4, options), ElementsAre(Split::train, Split::val));
}

TEST(DealPatches, take_the_last_fifth_of_train_as_val) {
  std::string text = header;
  for (int patient = 10; patient < 15; ++patient) {
    for (int x = 0; x < 20; ++x) text += row(patient, x, 0, 0, x % 2);
  }
  const auto table = parse_camelyon_table(text, "m.csv");
  const auto splits = deal_patches(table, 0, by(CamelyonSplit::tail));
  EXPECT_EQ(std::ranges::count(splits, Split::test), 20);  // one patient of five
  EXPECT_EQ(std::ranges::count(splits, Split::val), 16);   // floor(80 / 5)
  const auto last_train = std::find(splits.rbegin(), splits.rend(), Split::train);
  const auto first_val = std::ranges::find(splits, Split::val);
  EXPECT_LT(last_train.base() - splits.begin(), first_val - splits.begin() + 1);
}

TEST(DealPatches, keep_patients_whole) {
  std::string text = header;
  for (int patient = 10; patient < 20; ++patient) {
    for (int x = 0; x < patient; ++x) text += row(patient, x, 3, 0, x % 3 == 0 ? 1 : 0);
  }
  const auto table = parse_camelyon_table(text, "m.csv");
  const auto splits = deal_patches(table, 3, by(CamelyonSplit::patient));
  const auto& patches = table.hospitals[3];
  for (std::size_t i = 1; i < patches.size(); ++i) {
    if (patches[i].patient == patches[i - 1].patient) {
      EXPECT_EQ(splits[i], splits[i - 1]);
    }
  }
  // 145 patches: 92.8, 23.2 and 29 are asked for, and patients have 10 to 19.
  EXPECT_NEAR(double(std::ranges::count(splits, Split::train)), 92.8, 4.0);
  EXPECT_NEAR(double(std::ranges::count(splits, Split::test)), 29.0, 4.0);
}

}  // namespace
