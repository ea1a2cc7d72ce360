// SPDX-License-Identifier: Apache-2.0
#include "prepare/decode/outlines.hpp"

#include "harmofl/base/text.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

std::string vertices(const std::vector<std::pair<std::string, std::string>>& points) {
  std::string text = "<Vertices>";
  for (const auto& [x, y] : points) text += concat("<Vertex X=\"", x, "\" Y=\"", y, "\" Z=\"0\"/>");
  return text + "</Vertices>";
}

/// A square from `low` to `high`.
std::string square(int low, int high) {
  const std::string a = std::to_string(low), b = std::to_string(high);
  return "<Region Id=\"1\" NegativeROA=\"0\">" + vertices({{a, a}, {b, a}, {b, b}, {a, b}}) +
         "</Region>";
}

std::string annotation(const std::string& name, const std::string& regions) {
  const std::string attribute =
      name.empty() ? "" : concat("<Attribute Name=\"", name, "\" Id=\"0\" Value=\"\"/>");
  return concat("<Annotation Id=\"1\"><Attributes>", attribute,
                "</Attributes><Regions><RegionAttributeHeaders/>", regions,
                "</Regions><Plots/></Annotation>");
}

class Outlines : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& content) {
    std::ofstream(folder_ / "o.xml") << content;
    return folder_ / "o.xml";
  }
  std::filesystem::path annotations(const std::string& content) {
    return file("<?xml version=\"1.0\"?>\n<Annotations MicronsPerPixel=\"0.25\">" + content +
                "</Annotations>");
  }
  std::string error(const std::filesystem::path& path, const MaskRule& rule = {}) {
    return error_of([&] { read_outline_mask(path, {3, 3}, rule); });
  }

  test::TempFolder folder_;
};

TEST_F(Outlines, are_read_in_their_order_with_their_names) {
  const auto found = read_outlines(
      annotations(annotation("", "<Region>" + vertices({{"0.5", "-1e1"}}) + "</Region>") +
                  annotation("Epithelial", square(1, 2) + "<Region/>")));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].name, "");
  EXPECT_THAT(found[0].corners, ElementsAre(Corner{512, -10240}));
  EXPECT_EQ(found[1].name, "Epithelial");
  EXPECT_EQ(found[1].corners.size(), 4u);
  EXPECT_TRUE(found[2].corners.empty());
}

TEST_F(Outlines, are_filled_and_those_without_vertices_leave_nothing) {
  const auto path = annotations(annotation("", square(1, 3) + "<Region><Vertices/></Region>"));
  EXPECT_THAT(read_outline_mask(path, {3, 3}, {}).values, ElementsAre(0, 0, 0, 0, 1, 1, 0, 1, 1));
  EXPECT_THAT(read_outline_mask(annotations(""), {1, 2}, {}).values, ElementsAre(0, 0));
}

TEST_F(Outlines, get_the_class_of_their_name_and_the_last_one_holds) {
  const auto path = annotations(annotation("A", square(0, 2)) + annotation("B", square(1, 3)) +
                                annotation("Ambiguous", square(0, 3)));
  MaskRule rule{.threshold = {}, .classes = {{"A", 1}, {"B", 2}, {"Ambiguous", 0}}};
  EXPECT_THAT(read_outline_mask(path, {3, 3}, rule).values, ElementsAre(1, 1, 0, 1, 2, 2, 0, 2, 2));
  rule.classes.erase("B");
  EXPECT_THAT(error(path, rule), HasSubstr("something named 'B', which --mask-values does not"));
  EXPECT_THAT(error(path, {.threshold = 3}), HasSubstr("--mask-threshold is for masks"));
}

TEST_F(Outlines, refuse_what_is_hostile) {
  EXPECT_THAT(error(file("")), HasSubstr("cannot be read as outlines"));
  EXPECT_THAT(error(file("<Annotations><Annotation>")), HasSubstr("byte"));
  EXPECT_THAT(error(file("<Other/>")), HasSubstr("no element Annotations"));
  EXPECT_THAT(error(file("<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>"
                         "<Annotations>&e;</Annotations>")),
              HasSubstr("it has a DOCTYPE"));
  for (const char* bad : {"nan", "NaN", "inf", "1e300", "-1e7", "", "1,5", "0x10", "&e;"}) {
    const auto path =
        annotations(annotation("", "<Region>" + vertices({{"1", "1"}, {bad, "2"}}) + "</Region>"));
    EXPECT_THAT(error(path), HasSubstr(concat("'", bad, "' is not a coordinate X"))) << bad;
  }
  EXPECT_THAT(error(annotations(annotation("",
                                           "<Region><Vertices><Vertex X=\"1\"/></Vertices>"
                                           "</Region>"))),
              HasSubstr("'' is not a coordinate Y"));
  EXPECT_THAT(error(annotations(annotation("", "<Region NegativeROA=\"1\"/>"))),
              HasSubstr("NegativeROA"));
  EXPECT_THAT(error(annotations(annotation("a\x1b[2J", square(0, 1)))), HasSubstr("a\\x1B[2J"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_THAT(error(file(deep)), HasSubstr("cannot be read as outlines"));
  EXPECT_THAT(error(file("<Annotations>" + std::string(std::size_t{33} << 20, ' '))),
              HasSubstr("more than 33554432 bytes"));
}

TEST_F(Outlines, refuse_to_fill_without_end) {
  std::string many;
  for (int i = 0; i < 3000; ++i) many += square(-9, 3000);
  const auto path = annotations(annotation("", many));
  EXPECT_THAT(error_of([&] { read_outline_mask(path, {2048, 2048}, {}); }),
              HasSubstr("together span more than 64 times the 2048x2048 pixels"));
}

}  // namespace
