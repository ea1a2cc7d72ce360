// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5/hdf5.hpp"

#include "base/checksum.hpp"
#include "io/samples.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using harmofl::hdf5::File;
using harmofl::hdf5::Type;
using harmofl::test::content_of;
using harmofl::test::TempFolder;
using harmofl::test::user_error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Hdf5File, gives_back_what_was_written) {
  const TempFolder folder;
  const std::vector<float> values{1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
  {
    File file = File::create(folder / "x.h5");
    file.write("/group/values", Type::float32, {3, 2}, values.data(),
               {.chunk_first_axis = true, .fletcher32 = true, .deflate = 3});
    file.write_strings("/group/names", {"eins", "zwei", "drei", "\xC3\xA4"});
    file.write_attribute("/group", "number", std::int64_t{-7});
    file.write_attribute("/group", "number", std::int64_t{8});  // replaces
    file.write_attribute("/", "ratio", 0.25);
    file.write_attribute("/", "texts", std::vector<std::string>{"a", "", "c"});
    file.close();
  }
  const File file = File::open(folder / "x.h5");
  EXPECT_THAT(file.children("/"), ElementsAre("group"));
  EXPECT_THAT(file.children("/group"), ElementsAre("names", "values"));
  EXPECT_TRUE(file.is_group("/group"));
  EXPECT_FALSE(file.is_group("/group/values"));
  EXPECT_FALSE(file.exists("/no/such/thing"));
  const auto info = file.dataset_info("/group/values");
  EXPECT_EQ(info.type, Type::float32);
  EXPECT_THAT(info.shape, ElementsAre(3, 2));
  EXPECT_TRUE(info.fletcher32);
  std::vector<float> rows(4);
  file.read_rows("/group/values", Type::float32, rows.data(), {0, 2});
  EXPECT_THAT(rows, ElementsAre(1.0f, 2.0f, 5.0f, 6.0f));
  std::vector<double> all(6);
  file.read("/group/values", Type::float64, all.data());
  EXPECT_THAT(all, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(file.read_strings("/group/names"), ElementsAre("eins", "zwei", "drei", "\xC3\xA4"));
  EXPECT_EQ(file.int_attribute("/group", "number"), 8);
  EXPECT_EQ(file.float_attribute("/", "ratio"), 0.25);
  EXPECT_THAT(file.strings_attribute("/", "texts"), ElementsAre("a", "", "c"));
  EXPECT_THAT(file.attribute_names("/"), ElementsAre("ratio", "texts"));
}

TEST(Hdf5File, holds_datasets_without_elements_and_scalars) {
  const TempFolder folder;
  const float one = 1.5f;
  {
    File file = File::create(folder / "x.h5");
    file.write("/none", Type::uint8, {0, 3, 2}, nullptr,
               {.chunk_first_axis = true, .fletcher32 = true, .deflate = 1});
    file.write("/one", Type::float32, {}, &one);
    file.write_strings("/nobody", {});
    file.write_attribute("/", "texts", std::vector<std::string>{});
    file.close();
  }
  const File file = File::open(folder / "x.h5");
  EXPECT_THAT(file.dataset_info("/none").shape, ElementsAre(0, 3, 2));
  EXPECT_EQ(file.dataset_info("/one").count(), 1);
  float read = 0.0f;
  file.read("/one", Type::float32, &read);
  EXPECT_EQ(read, one);
  EXPECT_THAT(file.read_strings("/nobody"), IsEmpty());
  EXPECT_THAT(file.strings_attribute("/", "texts"), IsEmpty());
}

TEST(Hdf5File, keeps_what_outgrows_its_memory) {
  const TempFolder folder;
  constexpr std::int64_t parts = 7, length = 3 << 20;  // 84 MiB, of which 64 are in memory
  const auto values_of = [](std::int64_t part) {
    std::vector<float> values(length);
    std::iota(values.begin(), values.end(), static_cast<float>(part));
    return values;
  };
  const std::string end = "the end";
  std::string sealed;
  {
    File first = File::create(folder / "x.h5");
    File file = std::move(first);  // and its memory with it
    for (std::int64_t part = 0; part < parts; ++part) {
      const auto values = values_of(part);
      file.write("/" + std::to_string(part), Type::float32, {length}, values.data());
    }
    file.close([&](const std::string& checksum) {
      sealed = checksum;
      return end;
    });
  }
  std::string bytes = content_of(folder / "x.h5");
  ASSERT_TRUE(bytes.ends_with(end));
  bytes.resize(bytes.size() - end.size());
  EXPECT_EQ(sealed, harmofl::checksum(std::as_bytes(std::span(bytes))));
  const File file = File::open(folder / "x.h5");
  std::vector<float> read(length);
  for (std::int64_t part = 0; part < parts; ++part) {
    file.read("/" + std::to_string(part), Type::float32, read.data());
    EXPECT_TRUE(read == values_of(part)) << part;
  }
}

TEST(Hdf5File, says_why_a_file_cannot_be_opened) {
  const TempFolder folder;
  const auto message = [](const std::filesystem::path& path) {
    return user_error_of([&] { File::open(path, "Fix it."); });
  };
  std::ofstream(folder / "empty.h5").flush();
  std::ofstream(folder / "text.h5") << "this is text";
  EXPECT_THAT(message(folder / "absent.h5"),
              HasSubstr("absent.h5: there is no such file. Fix it."));
  EXPECT_THAT(message(folder.path()), HasSubstr("this is not a regular file"));
  EXPECT_THAT(message(folder / "empty.h5"), HasSubstr("the file is empty"));
  EXPECT_THAT(message(folder / "text.h5"), HasSubstr("this is not an HDF5 file"));
}

TEST(Hdf5File, names_what_is_missing_or_of_another_kind) {
  const TempFolder folder;
  {
    File file = File::create(folder / "x.h5");
    file.make_group("/group");
    file.write_attribute("/group", "text", std::string("abc"));
    file.close();
  }
  const File file = File::open(folder / "x.h5", "Fix it.");
  EXPECT_THAT(user_error_of([&] { file.dataset_info("/group/x"); }),
              HasSubstr("x.h5: /group/x: is missing. Fix it."));
  EXPECT_THAT(user_error_of([&] { file.dataset_info("/group"); }),
              HasSubstr("expected a dataset, found a group"));
  EXPECT_THAT(user_error_of([&] { file.int_attribute("/group", "number"); }),
              HasSubstr("attribute 'number' (integers) is missing"));
  EXPECT_THAT(user_error_of([&] { file.int_attribute("/group", "text"); }),
              HasSubstr("attribute 'text': expected integers"));
}

}  // namespace
