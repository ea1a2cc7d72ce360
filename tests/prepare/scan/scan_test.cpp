// SPDX-License-Identifier: Apache-2.0
#include "prepare/scan/scan.hpp"

#include "prepare/png_files.hpp"
#include "support/no_files.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using test::error_of;
using test::write_pair;
using test::write_png;
using testing::ElementsAre;
using testing::HasSubstr;

class Scan : public testing::Test {
 protected:
  void list(const std::string& text) {
    std::ofstream(folder_ / "list.csv") << text;
    options_.list = folder_ / "list.csv";
  }
  void grey(const std::string& name) { write_png(folder_ / name, 2, 2, 1, {0, 255, 0, 0}); }
  std::string error() {
    return error_of([&] { scan(options_); });
  }

  test::TempFolder folder_;
  Options options_{.input = folder_.path()};
};

TEST_F(Scan, finds_images_with_masks) {
  write_pair(folder_ / "b", "2", 2, 2, 9);
  write_pair(folder_ / "b", "1", 2, 2, 9);
  write_pair(folder_ / "a", "1", 2, 2, 9);
  std::filesystem::create_directories(folder_ / ".git");
  std::ofstream(folder_ / "sites.csv") << "not read without --list";
  const Sources sources = scan(options_);
  EXPECT_EQ(sources.task, Task::segmentation);
  EXPECT_THAT(sources.class_names, ElementsAre("background", "foreground"));
  ASSERT_EQ(sources.sites.size(), 2u);
  ASSERT_EQ(sources.sites.at("b").size(), 2u);
  EXPECT_EQ(sources.sites.at("b")[0].id, "1");
  EXPECT_EQ(sources.sites.at("b")[0].mask, folder_ / "b" / "1_mask.png");
}

TEST_F(Scan, finds_folders_of_classes) {
  for (const char* name : {"a/10/x.png", "a/9/x.png", "b/9/y.png"}) grey(name);
  const Sources sources = scan(options_);
  EXPECT_EQ(sources.task, Task::classification);
  EXPECT_THAT(sources.class_names, ElementsAre("9", "10"));  // numbers in their order
  EXPECT_EQ(sources.sites.at("a")[0].id, "10/x");
  EXPECT_EQ(sources.sites.at("a")[1].label, "9");
}

TEST_F(Scan, names_what_is_missing_or_out_of_place) {
  EXPECT_THAT(error(), HasSubstr("there are no images"));
  write_pair(folder_ / "a", "1", 2, 2, 9);
  std::filesystem::remove(folder_ / "a" / "1_mask.png");
  EXPECT_THAT(error(),
              HasSubstr("1_mask.png: there is no such file, but image '1' of site 'a' needs it"));
  grey("a/2_mask.png");
  EXPECT_THAT(error(), HasSubstr("2_mask.png: this mask has no image"));
  grey("a/tumour/1.png");
  EXPECT_THAT(error(), HasSubstr("both images and folders with images"));
  options_.input = folder_ / "absent";
  EXPECT_THAT(error(), HasSubstr("absent: this is not a folder"));
}

TEST_F(Scan, refuses_what_has_the_name_of_an_image_and_is_no_file) {
  for (const test::NoFile& kind : test::no_files()) {
    for (const char* name : {"a/9.png", "a/1_mask.png"}) {
      std::filesystem::remove_all(folder_ / "a");
      write_pair(folder_ / "a", "1", 2, 2, 9);
      std::filesystem::remove(folder_ / name);
      kind.make(folder_ / name);
      EXPECT_THAT(error(), HasSubstr(concat((folder_ / name).string(),
                                            ": has the name of an image, but ", kind.described)));
    }
  }
  std::filesystem::remove_all(folder_ / "a");
  grey("a/tumour/1.png");
  test::make_fifo(folder_ / "a/tumour/2.png");
  EXPECT_THAT(error(), HasSubstr("tumour/2.png: has the name of an image, but it is a FIFO"));
}

TEST_F(Scan, refuses_sites_and_images_that_it_would_leave_out) {
  write_pair(folder_ / "a", "1", 2, 2, 9);
  std::filesystem::create_symlink(folder_ / "gone", folder_ / "b");
  EXPECT_THAT(error(), HasSubstr((folder_ / "b").string() + ": it is a link to nothing"));
  std::filesystem::create_directory(folder_ / "gone");  // a folder now, without images
  EXPECT_EQ(scan(options_).sites.size(), 1u);
  for (const char* place : {"top.png", "c/d/e/deep.png"}) {
    grey(place);
    EXPECT_THAT(error(), HasSubstr(concat(place, ": no image is looked for in this place")));
    std::filesystem::remove(folder_ / place);
  }
  std::ofstream(folder_ / "a/2.GIF") << "GIF89a";
  EXPECT_THAT(error(), HasSubstr("2.GIF: images of this format are not read; known are BMP, JPEG"));
}

TEST_F(Scan, says_what_stands_where_a_list_wants_an_image) {
  test::make_fifo(folder_ / "pipe");
  list("id,site,path\n9,a,pipe\n");
  EXPECT_THAT(error(), HasSubstr("pipe: it is a FIFO, but image '9' of site 'a' needs it"));
  list("");
  std::filesystem::remove(folder_ / "list.csv");
  test::make_fifo(folder_ / "list.csv");
  EXPECT_THAT(error(), HasSubstr("list.csv: cannot be read (it is a FIFO)"));
}

TEST_F(Scan, refuses_names_that_a_terminal_would_obey_or_json_cannot_hold) {
  grey("raw/i.png");
  for (const char* row :
       {"1,a\x1b[2J,raw/i.png,x,", "1\x1b[2J,a,raw/i.png,x,", "1,a,raw/i.png,\xff,",
        "1,a,raw/i.png,x,\"ann\nbob\"", "1,Kr\xe4nke,raw/i.png,x,"}) {
    list(concat("id,site,path,label,patient\n", row, "\n"));
    EXPECT_THAT(error(), HasSubstr("UTF-8 without control characters")) << printable(row);
  }
}

TEST_F(Scan, refuses_sites_of_two_kinds) {
  write_pair(folder_ / "a", "1", 2, 2, 9);
  grey("b/tumour/1.png");
  EXPECT_THAT(error(), HasSubstr("laid out for classification, but the task is segmentation"));
}

TEST_F(Scan, reads_a_list_with_the_usual_paths) {
  write_pair(folder_ / "a", "1", 2, 2, 9);
  write_pair(folder_ / "a", "2", 2, 2, 9);
  list("id,site,other\n2,a,\"x, y\"\n1,a,\n");
  const Sources sources = scan(options_);
  EXPECT_EQ(sources.sites.at("a")[1].image, folder_ / "a" / "2.png");
  EXPECT_EQ(sources.sites.at("a")[1].mask, folder_ / "a" / "2_mask.png");
}

TEST_F(Scan, reads_paths_labels_splits_and_patients_of_a_list) {
  grey("raw/i.png");
  list("id,site,path,label,split,patient\n1,a,raw/i.png,tumour,val,p7\n2,a,raw/i.png,none,,\n");
  const Sources sources = scan(options_);
  EXPECT_EQ(sources.task, Task::classification);
  EXPECT_THAT(sources.class_names, ElementsAre("none", "tumour"));
  const Sample& first = sources.sites.at("a")[0];
  EXPECT_EQ(first.image, folder_ / "raw" / "i.png");
  EXPECT_EQ(first.split, Split::val);
  EXPECT_EQ(first.patient, "p7");
  EXPECT_FALSE(sources.sites.at("a")[1].split);
}

TEST_F(Scan, misses_files_whose_names_no_file_can_have) {
  list("id,site,path\n9,a," + std::string(5000, 'x') + "\n");
  EXPECT_THAT(error(), HasSubstr("xxx: File name too long, but image '9' of site 'a' needs it"));
}

TEST_F(Scan, refuses_lists_that_make_no_sense) {
  grey("a/1.png");
  grey("a/1_mask.png");
  list("name,site\n1,a\n");
  EXPECT_THAT(error(), HasSubstr("there is no column 'id'"));
  list("id,site\n1,a\n1,a\n");
  EXPECT_THAT(error(), HasSubstr("has the id '1' twice"));
  list("id,site\n9,a\n");
  EXPECT_THAT(error(), HasSubstr("9.png: there is no such file"));
  list("id,site,split\n1,a,dev\n");
  EXPECT_THAT(error(), HasSubstr("'dev' is not a split"));
  list("id,site,label,mask\n1,a,x,y\n");
  EXPECT_THAT(error(), HasSubstr("both labels and masks"));
  list("id,site,label\n1,a,\n");
  EXPECT_THAT(error(), HasSubstr("has no label"));
  list("id,site,path\n1,a/b,a/1.png\n");
  EXPECT_THAT(error(), HasSubstr("'a/b' cannot name a site"));
}

TEST_F(Scan, finds_images_and_masks_of_any_ending) {
  for (const char* name : {"a/1.JPG", "a/2.Tiff", "a/3.bmp"}) {
    std::filesystem::create_directories(folder_ / "a");
    std::ofstream(folder_ / name).flush();
  }
  grey("a/1_mask.png");
  std::ofstream(folder_ / "a/2_mask.TIF").flush();
  grey("a/3_mask.png");
  const auto samples = scan(options_).sites.at("a");
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].image, folder_ / "a/1.JPG");
  EXPECT_EQ(samples[1].mask, folder_ / "a/2_mask.TIF");
  list("id,site\n2,a\n");
  EXPECT_EQ(scan(options_).sites.at("a")[0].image, folder_ / "a/2.Tiff");
  EXPECT_EQ(scan(options_).sites.at("a")[0].mask, folder_ / "a/2_mask.TIF");
  grey("a/2.png");
  EXPECT_THAT(error(), HasSubstr("2.png: has the name of"));
  options_.list.reset();
  EXPECT_THAT(error(), HasSubstr("2.png: has the name of"));
}

TEST_F(Scan, refuses_paths_that_leave_the_input) {
  for (const char* row : {"1,a,../x.png,", "1,a,/etc/passwd,", "1,a,a/../../x.png,", "1,..,,",
                          "../../x,a,,", "1,a,a/1.png,../m.png"}) {
    list(concat("id,site,path,mask\n", row, "\n"));
    EXPECT_THAT(error(), HasSubstr("leads out of the input folder")) << row;
  }
}

TEST_F(Scan, names_the_classes_of_masks) {
  write_pair(folder_ / "b", "1", 2, 2, 9);
  options_.mask.classes = {{"0", 0}, {"255", 2}};
  EXPECT_THAT(scan(options_).class_names, ElementsAre("background", "class1", "class2"));
  options_.class_names = {"stroma", "tumour", "other"};
  EXPECT_THAT(scan(options_).class_names, ElementsAre("stroma", "tumour", "other"));
  std::filesystem::remove_all(folder_ / "b");
  grey("a/tumour/1.png");
  EXPECT_THAT(error(), HasSubstr("these are images with labels, for which --class-names"));
}

}  // namespace
