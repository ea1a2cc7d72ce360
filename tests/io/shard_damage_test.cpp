// SPDX-License-Identifier: Apache-2.0
// Damages intact shards in every way that the format knows, and reads the error.
#include "base/checksum.hpp"
#include "io/hdf5/hdf5.hpp"
#include "io/samples.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <hdf5.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>

namespace {

using namespace harmofl;
using test::small_info;
using test::small_split;
using testing::AllOf;
using testing::HasSubstr;

/// An intact shard, to be damaged.
class ShardDamage : public testing::Test {
 protected:
  void make(Task task = Task::segmentation, PixelType pixels = PixelType::uint8) {
    info_ = small_info(task, pixels);
    test::write_small_shard(path_, info_);
  }

  /// Changes the file through the HDF5 library.
  void change(const std::function<void(hid_t)>& action) const {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDWR, access);
    ASSERT_GE(file, 0);
    action(file);
    H5Fclose(file);
    H5Pclose(access);
  }

  void remove(const std::string& object) const {
    change([&](hid_t file) { ASSERT_GE(H5Ldelete(file, object.c_str(), H5P_DEFAULT), 0); });
  }

  void remove_attribute(const std::string& object, const std::string& name) const {
    change([&](hid_t file) {
      ASSERT_GE(H5Adelete_by_name(file, object.c_str(), name.c_str(), H5P_DEFAULT), 0);
    });
  }

  template <class Value>
  void set_attribute(const std::string& name, hid_t type, Value value) const {
    change([&](hid_t file) {
      const hid_t attribute = H5Aopen_by_name(file, "/", name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
      ASSERT_GE(H5Awrite(attribute, type, &value), 0);
    });
  }

  /// Puts a dataset of zeros of another shape or type in the place of one.
  void replace(const std::string& dataset, hid_t type, const std::vector<hsize_t>& shape) const {
    change([&](hid_t file) {
      H5Ldelete(file, dataset.c_str(), H5P_DEFAULT);
      const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
      const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
      H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY);
      ASSERT_GE(H5Dcreate2(file, dataset.c_str(), type, space, H5P_DEFAULT, plist, H5P_DEFAULT), 0);
    });
  }

  /// Sets element `index` of a dataset, and the checksum of the content when given.
  template <class Value>
  void poke(const std::string& dataset, hid_t type, std::vector<Value> all, std::size_t index,
            Value value, bool mend_checksum) const {
    all[index] = value;
    change([&](hid_t file) {
      const hid_t opened = H5Dopen2(file, dataset.c_str(), H5P_DEFAULT);
      ASSERT_GE(H5Dwrite(opened, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, all.data()), 0);
      if (!mend_checksum) return;
      const std::string sum = checksum(std::as_bytes(std::span(all)));
      const char* text = sum.c_str();
      const hid_t attribute = H5Aopen(opened, "xxh3", H5P_DEFAULT);
      ASSERT_GE(H5Awrite(attribute, H5Aget_type(attribute), &text), 0);
    });
  }

  /// Changes a byte in the chunk of the second training image.
  void flip_second_image() const {
    const SplitData data = small_split(info_, 4, "a");
    std::string bytes;
    {
      std::ifstream file(path_, std::ios::binary);
      bytes.assign(std::istreambuf_iterator<char>(file), {});
    }
    const std::string pixels(reinterpret_cast<const char*>(data.images.data()) + 60, 60);
    const std::size_t place = bytes.find(pixels);
    ASSERT_NE(place, std::string::npos);
    bytes[place + 7] = static_cast<char>(bytes[place + 7] ^ 0x10);
    std::ofstream(path_, std::ios::binary) << bytes;
  }

  /// The error of opening and reading everything.
  std::string error() const {
    const std::string message = test::user_error_of([&] {
      const ShardReader reader(path_);
      for (const Split split : all_splits) reader.read(split);
    });
    EXPECT_THAT(message, AllOf(HasSubstr("clinic.h5: "),
                               HasSubstr("Re-create the shard with harmofl-prepare.")));
    return message;
  }

  test::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "clinic.h5";
  ShardInfo info_;
};

TEST_F(ShardDamage, truncated_at_any_length) {
  make();
  const auto size = std::filesystem::file_size(path_);
  for (const double part : {0.999, 0.9, 0.5, 0.1, 0.01}) {
    std::filesystem::resize_file(path_,
                                 static_cast<std::uintmax_t>(static_cast<double>(size) * part));
    error();
  }
}

TEST_F(ShardDamage, missing_objects) {
  for (const char* object : {"/train", "/test", "/val/images", "/train/masks", "/train/ids"}) {
    make();
    remove(object);
    EXPECT_THAT(error(), AllOf(HasSubstr(object), HasSubstr("is missing")));
  }
}

TEST_F(ShardDamage, missing_attributes) {
  for (const char* name : {"format_version", "site", "task", "class_names", "intensity_scale",
                           "preprocessing", "source_checksum"}) {
    make();
    remove_attribute("/", name);
    EXPECT_THAT(error(), AllOf(HasSubstr(name), HasSubstr("is missing")));
  }
  make();
  remove_attribute("/val/masks", "xxh3");
  EXPECT_THAT(error(), AllOf(HasSubstr("/val/masks"), HasSubstr("'xxh3'")));
}

TEST_F(ShardDamage, values_of_attributes) {
  make();
  set_attribute("format_version", H5T_NATIVE_INT64, std::int64_t{2});
  EXPECT_THAT(error(), HasSubstr("'format_version': expected 1, found 2"));
  make();
  set_attribute("intensity_scale", H5T_NATIVE_DOUBLE, -1.0);
  EXPECT_THAT(error(), HasSubstr("'intensity_scale': expected a number above 0, found -1"));
  const auto set_text = [&](const char* name, const char* value) {
    change([&](hid_t file) {
      const hid_t attribute = H5Aopen_by_name(file, "/", name, H5P_DEFAULT, H5P_DEFAULT);
      ASSERT_GE(H5Awrite(attribute, H5Aget_type(attribute), &value), 0);
    });
  };
  make();
  set_text("site", "");
  EXPECT_THAT(error(), HasSubstr("'site': expected a name, found none"));
  for (const char* site : {".", "..", "a/b", "a\nb", "\x1b[2J", "Kr\xe4nke"}) {
    make();
    set_text("site", site);
    EXPECT_THAT(error(), HasSubstr("attribute 'site': ")) << printable(site);
  }
  make();
  set_text("task", "regression");
  EXPECT_THAT(error(), HasSubstr("found 'regression'"));
}

TEST_F(ShardDamage, shapes_and_types) {
  make();
  replace("/train/images", H5T_NATIVE_UINT8, {4, 3, 20});
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/images"), HasSubstr("[N, C, H, W]"),
                             HasSubstr("found [4, 3, 20]")));
  make();
  replace("/val/images", H5T_NATIVE_UINT8, {2, 3, 4, 6});
  EXPECT_THAT(error(), AllOf(HasSubstr("/val/images"), HasSubstr("expected the shape [2, 3, 4, 5]"),
                             HasSubstr("found [2, 3, 4, 6]")));
  make();
  replace("/train/images", H5T_NATIVE_INT64, {4, 3, 4, 5});
  EXPECT_THAT(error(), HasSubstr("expected elements of type uint8 or float32, found int64"));
  make();
  replace("/train/masks", H5T_NATIVE_INT16, {4, 4, 5});
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/masks"), HasSubstr("of another type")));
  make();
  replace("/train/masks", H5T_NATIVE_UINT8, {3, 4, 5});
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/masks"), HasSubstr("found [3, 4, 5]")));
  make();
  replace("/train/masks", H5T_NATIVE_UINT8, {4, 4, 5});
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/masks"), HasSubstr("Fletcher-32")));
}

TEST_F(ShardDamage, values_in_other_files) {
  make();
  change([](hid_t file) {
    H5Ldelete(file, "/train/masks", H5P_DEFAULT);
    const hsize_t shape[] = {4, 4, 5};
    const hid_t space = H5Screate_simple(3, shape, nullptr);
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    ASSERT_GE(H5Pset_external(plist, "/proc/self/exe", 0, H5F_UNLIMITED), 0);
    ASSERT_GE(
        H5Dcreate2(file, "/train/masks", H5T_NATIVE_UINT8, space, H5P_DEFAULT, plist, H5P_DEFAULT),
        0);
  });
  EXPECT_THAT(error(), HasSubstr("/train/masks: its values lie in another file"));
}

TEST_F(ShardDamage, links_to_elsewhere) {
  const std::string other = folder_ / "other.h5";
  test::write_small_shard(other, small_info());
  for (const bool external : {true, false}) {
    make();
    change([&](hid_t file) {
      H5Ldelete(file, "/val", H5P_DEFAULT);
      ASSERT_GE(external ? H5Lcreate_external(other.c_str(), "/val", file, "/val", H5P_DEFAULT,
                                              H5P_DEFAULT)
                         : H5Lcreate_soft("/train", file, "/val", H5P_DEFAULT, H5P_DEFAULT),
                0);
    });
    EXPECT_THAT(error(), HasSubstr("/val: is a link to elsewhere, which is not followed"));
  }
}

TEST_F(ShardDamage, shapes_that_claim_more_than_is_stored) {
  make();
  change([&](hid_t file) {
    H5Ldelete(file, "/train/images", H5P_DEFAULT);
    const std::vector<hsize_t> shape{hsize_t{1} << 40, 3, 4, 5};
    const std::vector<hsize_t> chunk{1, 3, 4, 5};
    const hid_t space = H5Screate_simple(4, shape.data(), nullptr);
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 4, chunk.data());
    ASSERT_GE(
        H5Dcreate2(file, "/train/images", H5T_NATIVE_UINT8, space, H5P_DEFAULT, plist, H5P_DEFAULT),
        0);
  });
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/images"), HasSubstr("more than is stored")));
}

TEST_F(ShardDamage, long_texts_that_are_not_stored) {
  make();
  change(
      [&](hid_t file) {  // 1000 texts of 64 MiB, one of which is there: 64 KiB of zeros, deflated
        H5Ldelete(file, "/train/ids", H5P_DEFAULT);
        const hid_t type = H5Tcopy(H5T_C_S1);
        const std::size_t length = std::size_t{64} << 20;
        H5Tset_size(type, length);
        const hsize_t count = 1000, one = 1, first = 0;
        const hid_t space = H5Screate_simple(1, &count, nullptr);
        const hid_t memory = H5Screate_simple(1, &one, nullptr);
        const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
        H5Pset_chunk(plist, 1, &one);
        H5Pset_deflate(plist, 9);
        const hid_t ids =
            H5Dcreate2(file, "/train/ids", type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
        H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, nullptr, &one, nullptr);
        const std::vector<char> text(length, '\0');
        ASSERT_GE(H5Dwrite(ids, type, memory, space, H5P_DEFAULT, text.data()), 0);
      });
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/ids"), HasSubstr("more than is stored")));
}

TEST_F(ShardDamage, images_without_data_of_a_size_that_no_number_holds) {
  make();
  replace("/train/images", H5T_NATIVE_UINT8,
          {0, hsize_t{1} << 40, hsize_t{1} << 40, hsize_t{1} << 40});
  EXPECT_THAT(error(), HasSubstr("too large for HDF5"));
}

TEST_F(ShardDamage, rows_that_are_not_stored) {
  make();
  change([&](hid_t file) {  // room for 100 images not compressed, one of which is there
    H5Ldelete(file, "/train/images", H5P_DEFAULT);
    const std::vector<hsize_t> shape{100, 3, 4, 5}, one{1, 3, 4, 5}, first{0, 0, 0, 0};
    const hid_t space = H5Screate_simple(4, shape.data(), nullptr);
    const hid_t memory = H5Screate_simple(4, one.data(), nullptr);
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 4, one.data());
    const hid_t images =
        H5Dcreate2(file, "/train/images", H5T_NATIVE_UINT8, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, first.data(), nullptr, one.data(), nullptr);
    const std::vector<unsigned char> image(60, 1);
    ASSERT_GE(H5Dwrite(images, H5T_NATIVE_UINT8, memory, space, H5P_DEFAULT, image.data()), 0);
  });
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/images"), HasSubstr("more than is stored")));
}

TEST_F(ShardDamage, flipped_bytes_in_a_chunk) {
  make();
  flip_second_image();
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/images"), HasSubstr("Fletcher32 checksum")));
}

TEST_F(ShardDamage, flipped_bytes_are_found_by_who_reads_the_row_and_by_nobody_else) {
  make();
  flip_second_image();
  const ShardReader reader(path_);
  EXPECT_EQ(reader.read_rows(Split::train, {0, 2, 3}).count(), 3);
  for (const std::vector<std::int64_t>& rows :
       std::vector<std::vector<std::int64_t>>{{1}, {0, 1}, {1, 3}}) {
    EXPECT_THAT(test::user_error_of([&] { reader.read_rows(Split::train, rows); }),
                AllOf(HasSubstr("clinic.h5: /train/images"), HasSubstr("Fletcher32 checksum")));
  }
}

TEST_F(ShardDamage, labels_are_verified_whichever_rows_are_read) {
  make(Task::classification);
  poke("/train/labels", H5T_NATIVE_INT64, small_split(info_, 4, "a").labels, 3, std::int64_t{0},
       false);
  const ShardReader reader(path_);
  for (const auto& read : std::vector<std::function<void()>>{
           [&] { reader.read_rows(Split::train, {0}); }, [&] { reader.labels(Split::train); }}) {
    EXPECT_THAT(test::user_error_of(read), AllOf(HasSubstr("/train/labels"), HasSubstr("'xxh3'")));
  }
}

TEST_F(ShardDamage, patients_that_are_not_one_a_sample) {
  make();
  replace("/val/groups", H5T_NATIVE_UINT8, {2});
  EXPECT_THAT(error(), AllOf(HasSubstr("/val/groups"), HasSubstr("expected strings")));
  make();
  change([&](hid_t file) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    const std::vector<hsize_t> shape{3};
    const hid_t space = H5Screate_simple(1, shape.data(), nullptr);
    const hid_t made =
        H5Dcreate2(file, "/val/groups", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ASSERT_GE(H5Dwrite(made, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, "abc"), 0);
  });
  EXPECT_THAT(error(),
              AllOf(HasSubstr("/val/groups"), HasSubstr("expected 2 names"), HasSubstr("found 3")));
}

TEST_F(ShardDamage, content_changed_behind_the_checksum) {
  make();
  const SplitData data = small_split(info_, 4, "a");
  poke("/train/masks", H5T_NATIVE_UINT8, data.masks, 3, std::uint8_t{0}, false);
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/masks"), HasSubstr("'xxh3'")));
}

TEST_F(ShardDamage, classes_that_do_not_exist) {
  make();
  poke("/train/masks", H5T_NATIVE_UINT8, small_split(info_, 4, "a").masks, 41, std::uint8_t{2},
       true);
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/masks"), HasSubstr("expected classes 0 to 1"),
                             HasSubstr("found 2 in image 'a2'")));
  make(Task::classification);
  poke("/val/labels", H5T_NATIVE_INT64, small_split(info_, 2, "b").labels, 1, std::int64_t{-1},
       true);
  EXPECT_THAT(error(), AllOf(HasSubstr("/val/labels"), HasSubstr("found -1 in image 'b1'")));
}

TEST_F(ShardDamage, pixels_that_are_not_finite) {
  make(Task::segmentation, PixelType::float32);
  const SplitData data = small_split(info_, 4, "a");
  std::vector<float> pixels(240);
  std::memcpy(pixels.data(), data.images.data(), data.images.size());
  poke("/train/images", H5T_NATIVE_FLOAT, pixels, 239, std::nanf(""), true);
  EXPECT_THAT(error(), AllOf(HasSubstr("/train/images"), HasSubstr("nan in image 'a3'")));
}

TEST_F(ShardDamage, ids_that_come_twice_or_that_a_terminal_would_obey) {
  const auto error_with = [&](const std::vector<const char*>& ids) {
    make();
    change([&](hid_t file) {
      const hid_t opened = H5Dopen2(file, "/val/ids", H5P_DEFAULT);
      ASSERT_GE(H5Dwrite(opened, H5Dget_type(opened), H5S_ALL, H5S_ALL, H5P_DEFAULT, ids.data()),
                0);
    });
    return error();
  };
  EXPECT_THAT(error_with({"b0", "a3"}),  // a3 is a training sample
              AllOf(HasSubstr("/val/ids"), HasSubstr("'a3' twice")));
  EXPECT_THAT(error_with({"b0", "b\x1b[2J"}),
              AllOf(HasSubstr("/val/ids"), HasSubstr("without control characters")));
}

}  // namespace
