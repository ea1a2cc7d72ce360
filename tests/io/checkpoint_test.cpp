// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/checkpoint.hpp"

#include "base/checksum.hpp"
#include "io/file_size_limit.hpp"
#include "io/hdf5/hdf5.hpp"
#include "io/input_file.hpp"
#include "io/samples.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <hdf5.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace harmofl;
using test::content_of;
using test::TempFolder;
using test::user_error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const CheckpointInfo info{12, "harmofl", "[run]\nrounds = 100\n", R"({"best":3})"};

std::vector<NamedTensor> model() {
  return {{"z.weight", "parameter", {2, 3}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.25f}},
          {"a.running_mean", "buffer", {2}, {-1.0f, 0.5f}},
          {"b.num_batches", "buffer", {}, {7.0f}},
          {"c.none", "parameter", {0, 4}, {}}};
}

void write_checkpoint(const std::filesystem::path& path) {
  CheckpointWriter writer(path, info);
  writer.write("model", model());
  writer.write("server", {});
  writer.write("clients/beta", {{"amplitude", "", {2}, {1.0f, 2.0f}}});
  writer.write("clients/alpha", {{"amplitude", "", {2}, {3.0f, 4.0f}}});
  writer.commit();
}

TEST(Checkpoint, gives_back_tensors_in_their_order) {
  const TempFolder folder;
  write_checkpoint(folder / "c.h5");
  const CheckpointReader reader(folder / "c.h5");
  EXPECT_EQ(reader.info().rounds_done, 12);
  EXPECT_EQ(reader.info().algorithm, info.algorithm);
  EXPECT_EQ(reader.info().config, info.config);
  EXPECT_EQ(reader.info().state, info.state);
  const std::vector<NamedTensor> expected = model();
  const std::vector<NamedTensor> found = reader.read("model");
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].name, expected[i].name);
    EXPECT_EQ(found[i].role, expected[i].role);
    EXPECT_EQ(found[i].shape, expected[i].shape);
    EXPECT_EQ(found[i].values, expected[i].values);
  }
  EXPECT_THAT(reader.read("server"), IsEmpty());
  EXPECT_THAT(reader.read("absent"), IsEmpty());
  EXPECT_THAT(reader.groups("clients"), ElementsAre("alpha", "beta"));
  EXPECT_THAT(reader.groups("model"), IsEmpty());
  EXPECT_THAT(reader.read("clients/alpha").at(0).values, ElementsAre(3.0f, 4.0f));
}

TEST(Checkpoint, names_the_tensor_whose_bytes_changed) {
  const TempFolder folder;
  write_checkpoint(folder / "c.h5");
  std::string bytes;
  {
    std::ifstream file(folder / "c.h5", std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  const float marker = 6.25f;
  std::string wanted(sizeof(marker), '\0');
  std::memcpy(wanted.data(), &marker, sizeof(marker));
  const std::size_t place = bytes.find(wanted);
  ASSERT_NE(place, std::string::npos);
  bytes[place] = 1;
  std::ofstream(folder / "c.h5", std::ios::binary) << bytes;
  const auto names_it = AllOf(HasSubstr("c.h5: /model/z.weight"), HasSubstr("damaged"),
                              HasSubstr("Resume from another checkpoint"));
  const CheckpointReader reader = CheckpointReader::verified_elsewhere(folder / "c.h5");
  EXPECT_THAT(user_error_of([&] { reader.read("model"); }), names_it);
  EXPECT_THAT(user_error_of([&] { CheckpointReader{folder / "c.h5"}; }),
              HasSubstr("does not match the checksum at its end"));
  bytes.resize(bytes.rfind("harmofl-xxh3 "));
  std::ofstream(folder / "c.h5", std::ios::binary) << bytes;
  EXPECT_THAT(user_error_of([&] { CheckpointReader{folder / "c.h5"}; }), names_it);
}

TEST(Checkpoint, is_refused_whichever_byte_changes) {
  const TempFolder folder;
  write_checkpoint(folder / "c.h5");
  EXPECT_NO_THROW(CheckpointReader{folder / "c.h5"});
  const std::string good = content_of(folder / "c.h5");
  const std::size_t seal = good.rfind("harmofl-xxh3 ");
  ASSERT_NE(seal, std::string::npos);
  const auto put = [&](std::size_t place, char byte) {
    std::fstream file(folder / "c.h5", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(place)).put(byte);
  };
  for (std::size_t place = 0; place < good.size(); ++place) {
    put(place, static_cast<char>(good[place] ^ (1 << (place % 8))));
    if (place < seal || place >= good.size() - 33) {
      EXPECT_THROW(CheckpointReader{folder / "c.h5"}, UserError) << "byte " << place;
    } else {  // without its mark it is a file without a seal, and sound
      EXPECT_NO_THROW(CheckpointReader{folder / "c.h5"}) << "byte " << place;
    }
    put(place, good[place]);
  }
}

TEST(Checkpoint, is_known_by_its_end_however_damaged_it_is) {
  const TempFolder folder;
  write_checkpoint(folder / "c.h5");
  EXPECT_TRUE(CheckpointReader::has_seal(folder / "c.h5"));
  {
    std::fstream file(folder / "c.h5", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0) << std::string(2000, '\xFF');
  }
  EXPECT_TRUE(CheckpointReader::has_seal(folder / "c.h5"));
  std::filesystem::resize_file(folder / "c.h5", 2000);
  EXPECT_FALSE(CheckpointReader::has_seal(folder / "c.h5"));
  std::filesystem::resize_file(folder / "c.h5", 0);
  EXPECT_FALSE(CheckpointReader::has_seal(folder / "c.h5"));
}

TEST(Checkpoint, of_before_there_were_seals_is_verified_by_its_tensors) {
  const TempFolder folder;
  const auto write_old = [&](const std::string& tensor_checksum) {
    hdf5::File file = hdf5::File::create(folder / "c.h5");
    file.write_attribute("/", "format_version", std::int64_t{1});
    file.write_attribute("/", "rounds_done", std::int64_t{1});
    for (const char* name : {"algorithm", "config", "state"}) {
      file.write_attribute("/", name, std::string("x"));
    }
    const float value = 2.0F;
    file.make_group("/model");
    file.write("/model/weight", hdf5::Type::float32, {}, &value);
    file.write_attribute("/model/weight", "index", std::int64_t{0});
    file.write_attribute("/model/weight", "role", std::string("parameter"));
    file.write_attribute("/model/weight", "xxh3", tensor_checksum);
    file.close();
  };
  const float value = 2.0F;
  write_old(checksum(std::as_bytes(std::span(&value, 1))));
  EXPECT_NO_THROW(CheckpointReader{folder / "c.h5"});
  write_old("0");
  EXPECT_THAT(user_error_of([&] { CheckpointReader{folder / "c.h5"}; }),
              HasSubstr("/model/weight"));
}

TEST(Checkpoint, keeps_the_script_of_a_network_and_notices_its_damage) {
  const TempFolder folder;
  const StoredScript script{std::string("PK\0code", 7), "00112233445566778899aabbccddeeff"};
  write_checkpoint(folder / "built-in.h5");
  EXPECT_FALSE(CheckpointReader(folder / "built-in.h5").script());
  {
    CheckpointWriter writer(folder / "c.h5", info);
    writer.write_script(script);
    writer.write("model", model());
    writer.commit();
  }
  const auto found = CheckpointReader(folder / "c.h5").script();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->code, script.code);
  EXPECT_EQ(found->source_checksum, script.source_checksum);

  std::string bytes = content_of(folder / "c.h5");
  bytes[bytes.find(script.code)] = 'Q';
  bytes.resize(bytes.rfind("harmofl-xxh3 "));  // as a file that h5py changed
  std::ofstream(folder / "c.h5", std::ios::binary) << bytes;
  EXPECT_THAT(user_error_of([&] { CheckpointReader{folder / "c.h5"}; }),
              AllOf(HasSubstr("/script"), HasSubstr("damaged")));
}

TEST(Checkpoint, refuses_groups_that_lie_in_one_another) {
  const TempFolder folder;
  const std::filesystem::path path = folder / "c.h5";
  CheckpointWriter writer(path, {1, "fedavg", "", "{}"});
  writer.write("model", {{"w", "parameter", {1}, {2.0f}}});
  writer.commit();
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);  // cuts the seal off
  for (const char* name : {"/model/a", "/model/b"}) {
    ASSERT_GE(H5Lcreate_hard(file, "/model", file, name, H5P_DEFAULT, H5P_DEFAULT), 0);
  }
  H5Fclose(file);
  EXPECT_THAT(user_error_of([&] { CheckpointReader{path}; }),
              AllOf(HasSubstr("c.h5: /model"), HasSubstr("without end")));
}

TEST(Checkpoint, reads_no_more_than_the_file_has_for_tensors_that_are_one) {
  const TempFolder folder;
  const std::filesystem::path path = folder / "c.h5";
  CheckpointWriter writer(path, info);
  writer.write("model", {{"w", "", {1 << 18}, std::vector<float>(1 << 18)}});
  for (const char* site : {"clients/a", "clients/b", "clients/c"}) writer.write(site, {});
  writer.commit();
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);  // cuts the seal off
  for (const char* name : {"/clients/a/w", "/clients/b/w", "/clients/c/w"}) {
    ASSERT_GE(H5Lcreate_hard(file, "/model/w", file, name, H5P_DEFAULT, H5P_DEFAULT), 0);
  }
  H5Fclose(file);
  EXPECT_THAT(user_error_of([&] { CheckpointReader{path}; }),
              HasSubstr("with which the tensors take more than the"));
}

TEST(Checkpoint, that_takes_more_memory_than_there_is_is_refused_before_it_is_read) {
  const TempFolder folder;
  const std::filesystem::path path = folder / "c.h5";
  CheckpointWriter writer(path, info);
  writer.write("model", {});
  writer.commit();
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hsize_t size = hsize_t{1} << 40;  // a hole of 4 TiB
  const hid_t space = H5Screate_simple(1, &size, nullptr);
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_alloc_time(layout, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(layout, H5D_FILL_TIME_NEVER);
  const hid_t made =
      H5Dcreate2(file, "/model/w", H5T_IEEE_F32LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
  const hid_t one = H5Screate(H5S_SCALAR);
  const std::int64_t index = 0;
  const hid_t attribute = H5Acreate2(made, "index", H5T_STD_I64LE, one, H5P_DEFAULT, H5P_DEFAULT);
  EXPECT_GE(H5Awrite(attribute, H5T_NATIVE_INT64, &index), 0);
  H5Aclose(attribute);
  H5Dclose(made);
  H5Fclose(file);
  EXPECT_THAT(user_error_of([&] { CheckpointReader{path}; }),
              AllOf(HasSubstr("c.h5: /model/w"), HasSubstr("memory of this machine")));
}

TEST(Checkpoint, of_more_rounds_than_can_be_counted_is_refused) {
  const TempFolder folder;
  for (const std::int64_t rounds : {std::int64_t{-1}, std::int64_t{1} << 54, INT64_MAX}) {
    CheckpointWriter writer(folder / "c.h5", {rounds, "fedavg", "", "{}"});
    writer.commit();
    EXPECT_THAT(user_error_of([&] { CheckpointReader{folder / "c.h5"}; }),
                AllOf(HasSubstr("c.h5: /: attribute 'rounds_done'"), HasSubstr("found")));
  }
}

TEST(Checkpoint, says_that_it_cannot_be_read_apart_from_being_damaged) {
  const TempFolder folder;
  const auto error = [&](const char* name) {
    return test::error_of<UnreadableFile>([&] { CheckpointReader{folder / name}; });
  };
  std::filesystem::create_directory(folder / "folder.h5");
  std::filesystem::create_symlink("loop.h5", folder / "loop.h5");
  std::filesystem::create_symlink("nowhere", folder / "dangling.h5");
  ASSERT_EQ(mkfifo((folder / "pipe.h5").c_str(), 0600), 0);
  EXPECT_THAT(error("absent.h5"), HasSubstr("absent.h5: there is no such file"));
  EXPECT_THAT(error("dangling.h5"), HasSubstr("dangling.h5: there is no such file"));
  EXPECT_THAT(error("folder.h5"), HasSubstr("this is not a regular file"));
  EXPECT_THAT(error("pipe.h5"), HasSubstr("this is not a regular file"));
  EXPECT_THAT(error("loop.h5"), AllOf(HasSubstr("cannot be read"), HasSubstr("symbolic links")));
}

TEST(Checkpoint, refuses_a_truncated_file) {
  const TempFolder folder;
  write_checkpoint(folder / "c.h5");
  std::filesystem::resize_file(folder / "c.h5", 2000);
  EXPECT_THAT(user_error_of([&] { CheckpointReader{folder / "c.h5"}; }),
              AllOf(HasSubstr("c.h5"), HasSubstr("Resume from another checkpoint")));
}

TEST(Checkpoint, refuses_names_with_slashes) {
  const TempFolder folder;
  CheckpointWriter writer(folder / "c.h5", info);
  EXPECT_THAT(user_error_of([&] { writer.write("model", {{"a/b", "", {}, {1.0f}}}); }),
              HasSubstr("'a/b'"));
}

TEST(Checkpoint, keeps_the_old_one_on_a_full_disk) {
  const TempFolder folder;
  write_checkpoint(folder / "c.h5");
  std::string message;
  {
    const test::FileSizeLimit limit(20000);
    message = user_error_of([&] {
      CheckpointWriter writer(folder / "c.h5", CheckpointInfo{});
      writer.write("model", {{"big", "parameter", {100000}, std::vector<float>(100000, 1.0f)}});
      writer.commit();
    });
  }
  EXPECT_THAT(message, AllOf(HasSubstr("c.h5"), HasSubstr("cannot be written")));
  EXPECT_EQ(CheckpointReader(folder / "c.h5").info().rounds_done, 12);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

// The other ranks are still sending then.
TEST(Checkpoint, says_that_the_disk_is_full_only_at_its_end) {
  const TempFolder folder;
  const test::FileSizeLimit limit(std::size_t{8} << 20);
  CheckpointWriter writer(folder / "c.h5", info);
  const std::vector<NamedTensor> large{
      {"x", "", {5 << 20}, std::vector<float>(std::size_t{5} << 20, 1.0F)}};
  for (int client = 0; client < 6; ++client) {  // 120 MiB
    EXPECT_NO_THROW(writer.write(checkpoint_groups::of_client(std::to_string(client)), large));
  }
  EXPECT_THAT(user_error_of([&] { writer.flush(); }),
              AllOf(HasSubstr("c.h5: cannot be written"), HasSubstr("File too large")));
}

TEST(Checkpoint, reads_of_a_group_only_what_is_wanted) {
  const TempFolder folder;
  write_checkpoint(folder / "c.h5");
  {
    std::fstream file(folder / "c.h5", std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const float marker = 6.25F;  // of z.weight
    std::string wanted(sizeof marker, '\0');
    std::memcpy(wanted.data(), &marker, sizeof marker);
    file.clear();
    file.seekp(static_cast<std::streamoff>(bytes.find(wanted))).put(1);
  }
  const CheckpointReader reader = CheckpointReader::verified_elsewhere(folder / "c.h5");
  const auto found =
      reader.read("model", [](const std::string& name) { return name.starts_with("a."); });
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "a.running_mean");
  EXPECT_THAT(user_error_of([&] { reader.read("model"); }), HasSubstr("z.weight"));
}

/// Most memory that a process takes, in KiB, which writes the states of so many clients.
std::int64_t peak_of_writing(const std::filesystem::path& path, std::int64_t clients) {
  const pid_t child = fork();
  if (child == 0) {
    CheckpointWriter writer(path, info);
    for (std::int64_t client = 0; client < clients; ++client) {
      const std::vector<float> values(std::size_t{1} << 20, static_cast<float>(client));
      std::vector<NamedTensor> state;
      for (const char* name : {"adam.m", "adam.v", "local.conv", "local.bias"}) {
        state.push_back({name, "", {1 << 20}, values});
      }
      writer.write(concat("clients/", client), state);
    }
    writer.commit();
    _exit(0);
  }
  int status = -1;
  rusage used{};
  EXPECT_EQ(wait4(child, &status, 0, &used), child);
  EXPECT_EQ(status, 0);
  return used.ru_maxrss;
}

// 16 MiB a client: 96 MiB, which is more than is kept in memory, and 384.
TEST(Checkpoint, takes_no_more_memory_for_more_clients) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer keeps for a while what is freed";
#endif
  const TempFolder folder;
  const std::int64_t of_few = peak_of_writing(folder / "few.h5", 6);
  const std::int64_t of_many = peak_of_writing(folder / "many.h5", 24);
  EXPECT_LT(static_cast<double>(of_many), 1.1 * static_cast<double>(of_few));
  const CheckpointReader reader(folder / "many.h5");
  EXPECT_EQ(reader.groups("clients").size(), 24U);
  for (const NamedTensor& tensor : reader.read("clients/17")) {
    EXPECT_THAT(tensor.values, testing::Each(17.0F)) << tensor.name;
  }
}

}  // namespace
