// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5/hdf5.hpp"

#include "base/checksum.hpp"
#include "io/samples.hpp"
#include "support/file_content.hpp"
#include "support/memory.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <hdf5.h>

#include <cstdint>
#include <cstring>
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
using testing::AllOf;
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

/// The bytes of a number, little endian.
template <class Number>
std::string bytes_of(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

/// Where in a file references to texts of `length` lie.
std::vector<std::size_t> references_in(const std::string& file, std::size_t length) {
  const std::string start = bytes_of(static_cast<std::uint32_t>(length));
  std::vector<std::size_t> places;
  for (std::size_t place = file.find(start); place != std::string::npos;
       place = file.find(start, place + 1)) {
    std::uint64_t heap = file.size();
    if (place + 12 <= file.size()) std::memcpy(&heap, file.data() + place + 4, sizeof heap);
    if (heap < file.size() && file.substr(heap, 4) == "GCOL") places.push_back(place);
  }
  return places;
}

/// A file of texts, and where in it they lie.
class Hdf5Texts : public testing::Test {
 protected:
  Hdf5Texts() {
    File file = File::create(path_);
    file.write_attribute("/", "text", text_);
    file.write_strings("/texts", std::vector<std::string>(count_, text_));
    file.close();
    whole_ = content_of(path_);
  }

  /// Where the references to the texts lie, that of the attribute and of every entry.
  std::vector<std::size_t> references() const {
    const std::vector<std::size_t> places = references_in(whole_, text_.size());
    EXPECT_EQ(places.size(), count_ + 1);
    return places;
  }

  /// Writes the file with other bytes from some places on.
  void write_with(const std::vector<std::size_t>& places, const std::string& bytes) const {
    std::string changed = whole_;
    for (const std::size_t place : places) changed.replace(place, bytes.size(), bytes);
    std::ofstream(path_, std::ios::binary) << changed;
  }

  /// The errors of reading both, joined; next to no memory is taken.
  std::string errors() const {
    std::string all;
    const std::int64_t growth = harmofl::test::memory_growth([&] {
      const File file = File::open(path_, "Fix it.");
      all = user_error_of([&] { file.string_attribute("/", "text"); });
      all += user_error_of([&] { file.read_strings("/texts"); });
    });
    EXPECT_LT(growth, 16 * harmofl::test::mebibyte);
    EXPECT_THAT(all, AllOf(HasSubstr("x.h5: /: attribute 'text': its texts"),
                           HasSubstr("x.h5: /texts: its texts"), HasSubstr("Fix it.")));
    return all;
  }

  static constexpr std::size_t count_ = 30;
  const TempFolder folder_;
  const std::filesystem::path path_ = folder_ / "x.h5";
  const std::string text_ = std::string(1000, 'x') + "\xC3\xA4";
  std::string whole_;
};

TEST_F(Hdf5Texts, are_read_as_they_were_written) {
  const File file = File::open(path_);
  EXPECT_EQ(file.string_attribute("/", "text"), text_);
  EXPECT_EQ(file.read_strings("/texts"), std::vector<std::string>(count_, text_));
}

TEST_F(Hdf5Texts, of_lengths_that_only_the_file_claims_are_refused) {
  for (const std::uint32_t length : {1003U, 100'000U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
    write_with(references(), bytes_of(length));
    errors();
  }
}

TEST_F(Hdf5Texts, that_lie_nowhere_are_refused) {
  std::vector<std::size_t> heaps, objects;
  for (const std::size_t place : references()) {
    heaps.push_back(place + 4);
    objects.push_back(place + 12);
  }
  for (const std::uint64_t heap :
       {std::uint64_t{8}, std::uint64_t{whole_.size() - 15}, std::uint64_t{whole_.size()},
        std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
    write_with(heaps, bytes_of(heap));
    errors();
  }
  for (const std::uint32_t object : {0U, 9999U, 0xFFFFFFFFU}) {
    write_with(objects, bytes_of(object));
    EXPECT_THAT(errors(), HasSubstr("lie where the file has none of their lengths"));
  }
}

TEST_F(Hdf5Texts, in_heaps_that_lie_are_refused) {
  const std::size_t object_length = whole_.find(text_) - 8;
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1001}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
    write_with({object_length}, bytes_of(length));
    EXPECT_NE(user_error_of([&] {
                const File file = File::open(path_, "Fix it.");
                file.string_attribute("/", "text");
                file.read_strings("/texts");
              }),
              "")
        << length;
  }
  std::vector<std::size_t> heap_lengths;
  for (std::size_t place = whole_.find("GCOL"); place != std::string::npos;
       place = whole_.find("GCOL", place + 1)) {
    heap_lengths.push_back(place + 8);
  }
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    write_with(heap_lengths, bytes_of(length));
    errors();
  }
}

TEST_F(Hdf5Texts, that_are_one_text_again_and_again_take_no_more_memory_than_the_file) {
  {
    File file = File::create(path_);
    file.write_strings("/texts", {std::string(std::size_t{1} << 20, 'x'), "a", "b"});
    file.close();
  }
  std::string bytes = content_of(path_);
  const std::vector<std::size_t> places = references_in(bytes, std::size_t{1} << 20);
  ASSERT_EQ(places.size(), 1U);
  const std::size_t first = places.front();
  for (const std::size_t entry : {1U, 2U}) {
    bytes.replace(first + 16 * entry, 16, bytes.substr(first, 16));
  }
  std::ofstream(path_, std::ios::binary) << bytes;
  EXPECT_THAT(user_error_of([&] { File::open(path_).read_strings("/texts"); }),
              HasSubstr("claim more bytes than the file has"));
}

TEST_F(Hdf5Texts, that_are_none_are_empty) {
  std::vector<std::size_t> heaps;
  for (const std::size_t place : references()) heaps.push_back(place + 4);
  // Nothing at all; of length 0 in a heap; of some length in none.
  for (const auto& [places, zeros] :
       {std::pair(references(), 16), std::pair(references(), 4), std::pair(heaps, 8)}) {
    write_with(places, std::string(static_cast<std::size_t>(zeros), '\0'));
    const File file = File::open(path_);
    EXPECT_EQ(file.string_attribute("/", "text"), "") << zeros;
    EXPECT_EQ(file.read_strings("/texts"), std::vector<std::string>(count_)) << zeros;
  }
}

/// Writes a file with the attribute `text` alone, by the properties `creation`, which it closes.
void write_as_another_program(const std::filesystem::path& path, hid_t creation,
                              const std::string& value) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, H5P_DEFAULT);
  const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, H5T_VARIABLE);
  const hid_t attribute = H5Acreate2(file, "text", type, space, H5P_DEFAULT, H5P_DEFAULT);
  const char* text = value.c_str();
  EXPECT_GE(H5Awrite(attribute, type, &text), 0);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  H5Fclose(file);
  H5Pclose(creation);
}

TEST_F(Hdf5Texts, are_read_behind_what_another_program_put_first) {
  const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_userblock(creation, 1024);
  write_as_another_program(path_, creation, text_);
  EXPECT_EQ(File::open(path_).string_attribute("/", "text"), text_);
}

TEST_F(Hdf5Texts, with_references_of_another_size_are_refused) {
  const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_sizes(creation, 4, 4);
  write_as_another_program(path_, creation, text_);
  EXPECT_THAT(user_error_of([&] { File::open(path_).string_attribute("/", "text"); }),
              HasSubstr("have references of another size"));
}

TEST(Hdf5File, counts_no_more_texts_than_it_has_bytes) {
  const TempFolder folder;
  const std::filesystem::path path = folder / "x.h5";
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t count = 4 << 20;  // references to nothing, deflated
  const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &count, nullptr);
  H5Tset_size(type, H5T_VARIABLE);
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(layout, 1, &count);
  H5Pset_deflate(layout, 9);
  const hid_t made = H5Dcreate2(file, "/texts", type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
  const std::vector<const char*> texts(count, nullptr);
  EXPECT_GE(H5Dwrite(made, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts.data()), 0);
  H5Dclose(made);
  H5Fclose(file);
  std::string error;
  EXPECT_LT(harmofl::test::memory_growth(
                [&] { error = user_error_of([&] { File::open(path).read_strings("/texts"); }); }),
            16 * harmofl::test::mebibyte);
  EXPECT_THAT(error, HasSubstr("are more than the file has bytes"));
}

}  // namespace
