// SPDX-License-Identifier: Apache-2.0
// Samples that are read without HDF5, held against what HDF5 wrote and reads itself.
#include "io/shard/shard_samples.hpp"

#include "io/hdf5/hdf5_rows.hpp"
#include "io/samples.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <hdf5.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

namespace {

using namespace harmofl;
using test::small_info;
using test::TempFolder;
using test::user_error_of;
using test::write_small_shard;
using testing::AllOf;
using testing::HasSubstr;

using Bytes = std::vector<std::byte>;

Bytes random_bytes(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(count);
  // Few values, so that deflate has something to do.
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 7);
  return bytes;
}

/// Rows of `row_bytes` in a file that HDF5 wrote, with its Fletcher-32 and deflate of that level.
void write_rows(const std::filesystem::path& path, const Bytes& content, std::int64_t row_bytes,
                int deflate) {
  hdf5::File file = hdf5::File::create(path);
  const std::int64_t rows = std::ssize(content) / row_bytes;
  file.write("/rows", hdf5::Type::uint8, {rows, row_bytes}, content.data(),
             {.chunk_first_axis = true, .fletcher32 = true, .deflate = deflate});
  file.close();
}

class RowsOfBytes : public testing::TestWithParam<std::tuple<std::int64_t, int>> {};

TEST_P(RowsOfBytes, are_those_that_hdf5_wrote_in_any_order) {
  const auto [row_bytes, deflate] = GetParam();
  const TempFolder folder;
  constexpr std::int64_t rows = 5;
  Bytes content = random_bytes(static_cast<std::size_t>(rows * row_bytes), 3);
  std::fill_n(content.begin(), row_bytes, std::byte{0});                 // sums of 0
  std::fill_n(content.begin() + row_bytes, row_bytes, std::byte{0xFF});  // and of 65535
  write_rows(folder / "rows.h5", content, row_bytes, deflate);
  hdf5::RowFile file(folder / "rows.h5", "Try again.");
  const hdf5::RowChunks found = file.locate("/rows", hdf5::Type::uint8, {rows, row_bytes});
  for (const std::int64_t row : {4, 0, 2, 1, 3}) {
    Bytes read(static_cast<std::size_t>(row_bytes));
    file.read(found, row, read, "a");
    EXPECT_TRUE(std::equal(read.begin(), read.end(), content.begin() + row * row_bytes)) << row;
  }
}

// An odd number of bytes, one block of words and a few more, many blocks.
INSTANTIATE_TEST_SUITE_P(Rows, RowsOfBytes,
                         testing::Combine(testing::Values(1, 25, 720, 721, 27648, 100001),
                                          testing::Values(0, 4)));

class EveryStreamedShard : public testing::TestWithParam<std::tuple<Task, PixelType, int>> {};

TEST_P(EveryStreamedShard, streams_what_a_reader_reads) {
  const auto [task, pixels, deflate] = GetParam();
  const TempFolder folder;
  write_small_shard(folder / "clinic.h5", small_info(task, pixels), deflate);
  const ShardReader reader(folder / "clinic.h5");
  const ShardSamples samples(reader);
  for (const Split split : all_splits) {
    const SplitData all = reader.read(split);
    const std::size_t bytes = 60 * size_bytes(pixels);
    for (std::int64_t row = all.count() - 1; row >= 0; --row) {
      const auto index = static_cast<std::size_t>(row);
      Bytes image(bytes);
      samples.read_image(split, row, image);
      EXPECT_TRUE(std::ranges::equal(image, std::span(all.images).subspan(index * bytes, bytes)));
      if (task == Task::classification) continue;
      std::vector<std::uint8_t> mask(20);
      samples.read_mask(split, row, mask);
      EXPECT_TRUE(std::ranges::equal(mask, std::span(all.masks).subspan(index * 20, 20)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, EveryStreamedShard,
                         testing::Combine(testing::Values(Task::segmentation, Task::classification),
                                          testing::Values(PixelType::uint8, PixelType::float32),
                                          testing::Values(0, 4)));

/// A shard that is open as a stream while something happens to its file.
class OpenShard : public testing::Test {
 protected:
  std::string content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void overwrite(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  Bytes second_image() const {
    Bytes image(60);
    samples_.read_image(Split::train, 1, image);
    return image;
  }

  TempFolder folder_;
  std::filesystem::path path_ = [&] {
    write_small_shard(folder_ / "clinic.h5", small_info());
    return folder_ / "clinic.h5";
  }();
  ShardReader reader_{path_};
  ShardSamples samples_{reader_};
};

TEST_F(OpenShard, names_file_dataset_and_sample_of_any_flipped_byte) {
  const Bytes image = second_image();
  std::string bytes = content();
  const std::size_t place =
      bytes.find(std::string(reinterpret_cast<const char*>(image.data()), image.size()));
  ASSERT_NE(place, std::string::npos);
  for (std::size_t at = place; at < place + image.size() + 4; ++at) {
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    overwrite(bytes);
    EXPECT_THAT(user_error_of([&] { second_image(); }),
                AllOf(HasSubstr("clinic.h5: /train/images: sample 'a1' fails its Fletcher-32"),
                      HasSubstr("Re-create the shard with harmofl-prepare")))
        << at - place;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  }
  overwrite(bytes);
  EXPECT_EQ(second_image(), image);
}

TEST_F(OpenShard, says_when_it_was_cut_off) {
  std::filesystem::resize_file(path_, 3000);
  EXPECT_THAT(user_error_of([&] { second_image(); }), HasSubstr("sample 'a1' cannot be read"));
  EXPECT_THAT(user_error_of([&] { samples_.check_unchanged(); }),
              HasSubstr("clinic.h5: was written to while the run reads it"));
}

TEST_F(OpenShard, goes_on_with_the_file_that_it_opened_when_another_takes_its_place) {
  const Bytes image = second_image();
  const TempFolder other;
  write_small_shard(other / "clinic.h5", small_info(Task::segmentation, PixelType::float32));
  std::filesystem::rename(other / "clinic.h5", path_);
  samples_.check_unchanged();
  EXPECT_EQ(second_image(), image);
}

TEST_F(OpenShard, gives_the_same_to_many_threads) {
  const SplitData all = reader_.read(Split::train);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      Bytes image(60);
      for (std::int64_t i = 0; i < 2000; ++i) {
        samples_.read_image(Split::train, i % 4, image);
        count += !std::ranges::equal(
            image, std::span(all.images).subspan(static_cast<std::size_t>(i % 4) * 60, 60));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::vector<int>{0, 0, 0, 0}));
}

TEST(ShardSamples, refuses_values_that_no_shard_has) {
  const TempFolder folder;
  ShardInfo info = small_info(Task::segmentation);
  write_small_shard(folder / "clinic.h5", info);
  {  // one class fewer than the masks have
    const hid_t file = H5Fopen((folder / "clinic.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t masks = H5Dopen2(file, "/train/masks", H5P_DEFAULT);
    const std::vector<std::uint8_t> values(80, 200);
    H5Dwrite(masks, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    H5Dclose(masks);
    H5Fclose(file);
  }
  const ShardReader reader(folder / "clinic.h5");
  const ShardSamples samples(reader);
  std::vector<std::uint8_t> mask(20);
  EXPECT_THAT(user_error_of([&] { samples.read_mask(Split::train, 2, mask); }),
              AllOf(HasSubstr("/train/masks: expected classes 0 to "),
                    HasSubstr("found 200 in image 'a2'")));
}

/// Puts a dataset of `count` images in the place of the training images, as `change` says.
void restore_images(const std::filesystem::path& path, hid_t type,
                    const std::vector<hsize_t>& chunk, bool scaled) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  H5Ldelete(file, "/train/images", H5P_DEFAULT);
  const std::vector<hsize_t> shape{4, 3, 4, 5};
  const hid_t space = H5Screate_simple(4, shape.data(), nullptr);
  const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(properties, 4, chunk.data());
  if (scaled) H5Pset_scaleoffset(properties, H5Z_SO_INT, H5Z_SO_INT_MINBITS_DEFAULT);
  H5Pset_fletcher32(properties);
  const hid_t images =
      H5Dcreate2(file, "/train/images", type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
  const std::vector<float> values(240, 1.0F);
  H5Dwrite(images, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(images);
  H5Pclose(properties);
  H5Sclose(space);
  H5Fclose(file);
}

TEST(RowFile, refuses_what_only_hdf5_can_read_and_says_why) {
  const TempFolder folder;
  const std::filesystem::path path = folder / "clinic.h5";
  const auto refusal = [&](hid_t type, const std::vector<hsize_t>& chunk, bool scaled) {
    write_small_shard(path, small_info());
    restore_images(path, type, chunk, scaled);
    hdf5::RowFile file(path, "Try again.");
    const hdf5::Type wanted =
        H5Tget_class(type) == H5T_FLOAT ? hdf5::Type::float32 : hdf5::Type::uint8;
    return user_error_of([&] { file.locate("/train/images", wanted, {4, 3, 4, 5}); });
  };
  EXPECT_THAT(refusal(H5T_STD_U8LE, {2, 3, 4, 5}, false), HasSubstr("one chunk a sample"));
  EXPECT_THAT(refusal(H5T_STD_U8LE, {1, 3, 4, 5}, true), HasSubstr("has a filter other than"));
  EXPECT_THAT(refusal(H5T_IEEE_F32BE, {1, 3, 4, 5}, false), HasSubstr("another byte order"));
}

}  // namespace
