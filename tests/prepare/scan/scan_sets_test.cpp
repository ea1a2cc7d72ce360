// SPDX-License-Identifier: Apache-2.0
#include "prepare/png_files.hpp"
#include "prepare/scan/scan.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

/// Layouts are about names: files are empty.
class ScanSets : public testing::Test {
 protected:
  void files(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      std::filesystem::create_directories((folder_ / name).parent_path());
      std::ofstream(folder_ / name).flush();
    }
  }
  std::string error() {
    return error_of([&] { scan(options_); });
  }
  std::vector<std::string> ids(const std::string& site) {
    const Sources sources = scan(options_);
    std::vector<std::string> found;
    for (const Sample& sample : sources.sites.at(site)) found.push_back(sample.id);
    return found;
  }
  void layout(const std::string& name) { options_.layout = name; }

  test::TempFolder folder_;
  Options options_{.input = folder_.path()};
};

TEST_F(ScanSets, find_outlines_of_monuseg_by_name_and_patients_by_barcode) {
  layout("monuseg");
  files({"Tissue Images/TCGA-18-5592-01Z-00-DX1.tif", "Tissue Images/other.tif",
         "Annotations/TCGA-18-5592-01Z-00-DX1.xml", "Annotations/other.xml", "__MACOSX/x.png"});
  const Sources sources = scan(options_);
  const Sample& first = sources.sites.at("monuseg")[0];
  EXPECT_EQ(first.id, "TCGA-18-5592-01Z-00-DX1");
  EXPECT_EQ(first.patient, "TCGA-18-5592");
  EXPECT_EQ(first.mask, folder_ / "Annotations/TCGA-18-5592-01Z-00-DX1.xml");
  EXPECT_EQ(sources.sites.at("monuseg")[1].patient, "");
  options_.site = "kumar";
  EXPECT_THAT(ids("kumar"), ElementsAre("TCGA-18-5592-01Z-00-DX1", "other"));
  files({"Annotations/lost.xml"});
  EXPECT_THAT(error(), HasSubstr("lost.xml: these outlines have no image"));
  files({"Tissue Images/lost.tif", "Tissue Images/lone.tif"});
  EXPECT_THAT(error(), HasSubstr("lone.tif: there are no outlines lone.xml"));
  files({"more/lone.png"});
  EXPECT_THAT(error(), HasSubstr("has the name of"));
}

TEST_F(ScanSets, put_images_into_the_sites_of_a_table) {
  layout("monuseg");
  files({"a.tif", "a.xml", "b.tif", "b.xml"});
  options_.sites_from = folder_ / "sites.csv";
  const auto table = [&](const char* text) { std::ofstream(folder_ / "sites.csv") << text; };
  table("image,site\na,Liver\nb,Breast\nc,Colon\n");
  EXPECT_THAT(ids("Breast"), ElementsAre("b"));
  EXPECT_FALSE(scan(options_).sites.contains("Colon"));
  table("image,site\na,Liver\n");
  EXPECT_THAT(error(), HasSubstr("sites.csv: does not tell the site of the image 'b'"));
  table("image,site\na,Liver\na,Colon\n");
  EXPECT_THAT(error(), HasSubstr("the image 'a' stands there twice"));
  table("name,site\na,Liver\n");
  EXPECT_THAT(error(), HasSubstr("there must be a column 'site', and 'image' or 'patient'"));
}

TEST_F(ScanSets, take_the_folder_of_monusac_for_the_patient_and_one_of_two_formats) {
  layout("monusac");
  files({"TCGA-5P-A9K0-01Z-00-DX1/TCGA-5P-A9K0-01Z-00-DX1_1.svs",
         "TCGA-5P-A9K0-01Z-00-DX1/TCGA-5P-A9K0-01Z-00-DX1_1.tif",
         "TCGA-5P-A9K0-01Z-00-DX1/TCGA-5P-A9K0-01Z-00-DX1_1.xml", "p2/x.svs", "p2/x.xml"});
  const Sources sources = scan(options_);
  const auto& samples = sources.sites.at("monusac");
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].image.extension(), ".tif");
  EXPECT_EQ(samples[0].patient, "TCGA-5P-A9K0");
  EXPECT_EQ(samples[1].patient, "p2");
  options_.sites_from = folder_ / "sites.csv";
  std::ofstream(folder_ / "sites.csv") << "patient,site\nTCGA-5P-A9K0,Kidney\np2,Lung\n";
  EXPECT_THAT(ids("Lung"), ElementsAre("x"));
}

TEST_F(ScanSets, pair_slides_and_truths_of_tnbc) {
  layout("tnbc");
  files({"Slide_01/01_1.png", "Slide_01/01_2.png", "GT_01/01_1.png", "GT_01/01_2.png",
         "Slide_02/02_1.png", "GT_02/02_1.png"});
  const auto samples = scan(options_).sites.at("tnbc");
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[1].mask, folder_ / "GT_01/01_2.png");
  EXPECT_EQ(samples[1].patient, "Slide_01");
  files({"GT_02/02_9.png"});
  EXPECT_THAT(error(), HasSubstr("02_9.png: this mask has no image"));
  std::filesystem::remove(folder_ / "GT_02/02_9.png");
  std::filesystem::remove(folder_ / "GT_02/02_1.png");
  EXPECT_THAT(error(), HasSubstr("02_1.png: there is no mask"));
  files({"GT_03/03_1.png"});
  EXPECT_THAT(error(), testing::AnyOf(HasSubstr("Slide_03"), HasSubstr("02_1.png")));
  files({"Other/x.png"});
  EXPECT_THAT(error(), testing::AnyOf(HasSubstr("Other"), HasSubstr("Slide_03")));
}

TEST_F(ScanSets, keep_the_splits_of_the_authors) {
  layout("authors");
  files({"SiteA/train/images/1.png", "SiteA/train/labels/1.png", "SiteA/test/images/1.png",
         "SiteA/test/labels/1.bmp", "SiteF/val/images/2.png", "SiteF/val/labels/2.png"});
  const Sources sources = scan(options_);
  EXPECT_THAT(ids("SiteA"), ElementsAre("test/1", "train/1"));
  EXPECT_EQ(sources.sites.at("SiteA")[0].split, Split::test);
  EXPECT_EQ(sources.sites.at("SiteA")[0].mask, folder_ / "SiteA/test/labels/1.bmp");
  EXPECT_EQ(sources.sites.at("SiteF")[0].split, Split::val);
  files({"SiteA/train/images/3.png"});
  EXPECT_THAT(error(), HasSubstr("3.png: there is no mask"));
  files({"SiteA/train/labels/3.png", "SiteA/dev/images/4.png"});
  EXPECT_THAT(error(), HasSubstr("dev: is neither train, val nor test"));
}

}  // namespace
