// SPDX-License-Identifier: Apache-2.0
#include "model/weights/weights_file.hpp"

#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/samples.hpp"
#include "support/file_content.hpp"
#include "support/memory.hpp"
#include "support/temp_folder.hpp"

#include <caffe2/serialize/inline_container.h>
#include <gmock/gmock.h>
#include <torch/types.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

namespace harmofl {
namespace {

using test::TempFolder;
using test::user_error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<NamedTensor> model() {
  return {{"conv.weight", "parameter", {2, 1, 3}, {1.0f, -2.0f, 3.0f, 4.0f, 5.0f, 6.25f}},
          {"conv.bias", "parameter", {1}, {-0.0f}},
          {"norm.running_mean", "buffer", {2}, {std::numeric_limits<float>::infinity(), 0x1p-149f}},
          {"norm.num_batches_tracked", "buffer", {}, {12.0f}},
          {"none", "parameter", {0, 4}, {}}};
}

const NamedTensor& named(const std::vector<NamedTensor>& tensors, const std::string& name) {
  return *std::ranges::find(tensors, name, &NamedTensor::name);
}

TEST(WeightsFile, gives_back_what_was_written_in_every_format) {
  const TempFolder folder;
  for (const char* file : {"m.pt", "m.pth", "m.safetensors"}) {
    SCOPED_TRACE(file);
    write_weights(folder / file, model());
    const std::vector<NamedTensor> found = read_weights(folder / file);
    ASSERT_EQ(found.size(), model().size());
    for (const NamedTensor& expected : model()) {
      const NamedTensor& tensor = named(found, expected.name);
      EXPECT_EQ(tensor.shape, expected.shape);
      ASSERT_EQ(tensor.values.size(), expected.values.size());
      for (std::size_t i = 0; i < tensor.values.size(); ++i) {
        EXPECT_EQ(std::bit_cast<std::uint32_t>(tensor.values[i]),
                  std::bit_cast<std::uint32_t>(expected.values[i]));
      }
    }
  }
}

TEST(WeightsFile, keeps_the_order_of_tensors_in_a_torch_file) {
  const TempFolder folder;
  write_weights(folder / "m.pt", model());
  std::vector<std::string> names;
  for (const NamedTensor& tensor : read_weights(folder / "m.pt")) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("conv.weight", "conv.bias", "norm.running_mean",
                                 "norm.num_batches_tracked", "none"));
}

TEST(WeightsFile, writes_the_same_bytes_for_the_same_tensors) {
  const TempFolder folder;
  for (const char* extension : {".pt", ".safetensors"}) {
    write_weights(folder / concat("a", extension), model());
    write_weights(folder / concat("b", extension), model());
    EXPECT_EQ(test::content_of(folder / concat("a", extension)),
              test::content_of(folder / concat("b", extension)));
  }
}

TEST(WeightsFile, writes_a_torch_file_that_python_opens_with_weights_only) {
  const TempFolder folder;
  write_weights(folder / "m.pt", model());
  const std::string content = test::content_of(folder / "m.pt");
  EXPECT_THAT(content, AllOf(HasSubstr("torch\nFloatStorage"), HasSubstr("torch\nLongStorage"),
                             HasSubstr("_rebuild_tensor_v2")));
  EXPECT_THAT(content, Not(HasSubstr("torch.jit")));  // what weights_only refuses
}

TEST(WeightsFile, reads_the_model_of_a_checkpoint_but_writes_none) {
  const TempFolder folder;
  CheckpointWriter writer(folder / "c.h5", {1, "fedavg", "", "{}"});
  writer.write("model", {{"w", "parameter", {1}, {2.0f}}});
  writer.commit();
  const std::vector<NamedTensor> found = read_weights(folder / "c.h5");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "w");
  EXPECT_THAT(found[0].values, ElementsAre(2.0f));
  EXPECT_THAT(user_error_of([&] { write_weights(folder / "d.h5", model()); }),
              AllOf(HasSubstr("d.h5"), HasSubstr("Write .safetensors or .pt")));
}

TEST(WeightsFile, lists_the_formats_for_an_unknown_extension) {
  for (const char* file : {"m.onnx", "m", "m.PT"}) {
    try {
      read_weights(file);
      FAIL() << "no error for " << file;
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(file), HasSubstr(".safetensors, .pt, .pth, .h5")));
    }
    EXPECT_THROW(write_weights(file, model()), UsageError);
  }
}

TEST(WeightsFile, refuses_two_tensors_of_one_name) {
  const TempFolder folder;
  const std::vector<NamedTensor> twice{{"a", "", {}, {1.0f}}, {"a", "", {}, {2.0f}}};
  for (const char* file : {"m.pt", "m.safetensors"}) {
    EXPECT_THAT(user_error_of([&] { write_weights(folder / file, twice); }), HasSubstr("'a'"));
  }
}

// --- What Python's torch.save writes, put together here ------------------------------------------

/// A text, a whole number and a tuple as pickle's protocol 2 has them.
std::string text(const std::string& value) {
  const auto size = static_cast<std::uint32_t>(value.size());
  std::string bytes(sizeof(size), '\0');
  std::memcpy(bytes.data(), &size, sizeof(size));
  return "X" + bytes + value;
}
std::string number(std::int32_t value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return "J" + bytes;
}
/// The whole number 2^63 - 1.
std::string largest_number() { return "\x8a\x08" + std::string(7, '\xff') + "\x7f"; }

std::string numbers(const std::vector<std::int32_t>& values) {
  std::string items;
  for (const std::int32_t value : values) items += number(value);
  return "(" + items + "t";
}
std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
std::string empty_ordered_dict() { return global("collections", "OrderedDict") + ")R"; }

/// A call of torch._utils._rebuild_tensor_v2.
std::string tensor(const std::string& storage, std::int32_t storage_count, std::int32_t offset,
                   const std::vector<std::int32_t>& shape,
                   const std::vector<std::int32_t>& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") + "((" + text("storage") +
         global("torch", storage) + text("0") + text("cuda:1") + number(storage_count) + "tQ" +
         number(offset) + numbers(shape) + numbers(strides) + "\x89" + empty_ordered_dict() + "tR";
}

std::string pickle(const std::string& object) { return "\x80\x02" + object + "."; }

/// An OrderedDict {"w": `value`} with the attribute _metadata.
std::string state_dict(const std::string& value) {
  return pickle(empty_ordered_dict() + "q" + std::string(1, '\0') + "(" + text("w") + value + "u}" +
                text("_metadata") + empty_ordered_dict() + "sb");
}

/// Writes x.pt with this pickle and these bytes of storage 0, and reads it.
std::vector<NamedTensor> read_torch(const std::string& pickled, const std::string& storage,
                                    const std::string& byteorder = "little") {
  const TempFolder folder;
  {
    caffe2::serialize::PyTorchStreamWriter writer((folder / "x.pt").string());
    writer.writeRecord("data.pkl", pickled.data(), pickled.size());
    writer.writeRecord("byteorder", byteorder.data(), byteorder.size());
    writer.writeRecord("data/0", storage.data(), storage.size());
    writer.writeEndOfFile();
  }
  return read_weights(folder / "x.pt");
}

std::string error_of(const std::string& pickled, const std::string& storage = "") {
  return user_error_of([&] { read_torch(pickled, storage); });
}

std::string floats(std::int32_t count) {
  std::string bytes;
  for (std::int32_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>(i);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

TEST(TorchFile, reads_views_of_a_storage) {
  const auto read = [](std::int32_t offset, const std::vector<std::int32_t>& shape,
                       const std::vector<std::int32_t>& strides) {
    const auto found =
        read_torch(state_dict(tensor("FloatStorage", 6, offset, shape, strides)), floats(6));
    EXPECT_EQ(found.at(0).name, "w");
    EXPECT_EQ(found.at(0).role, "");
    EXPECT_EQ(found.at(0).shape, std::vector<std::int64_t>(shape.begin(), shape.end()));
    return found.at(0).values;
  };
  EXPECT_THAT(read(0, {2, 3}, {3, 1}), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(read(0, {3, 2}, {1, 3}), ElementsAre(0, 3, 1, 4, 2, 5));  // transposed
  EXPECT_THAT(read(1, {2, 2}, {3, 1}), ElementsAre(1, 2, 4, 5));        // a slice
  EXPECT_THAT(read(5, {}, {}), ElementsAre(5));
  EXPECT_THAT(read(6, {0, 3}, {3, 1}), ElementsAre());
}

TEST(TorchFile, is_refused_where_one_bit_of_a_tensor_has_changed) {
  const TempFolder folder;
  const auto path = folder / "x.pt";
  write_weights(path, {{"w", "", {2}, {0.5F, 0.25F}}});
  std::string bytes = test::content_of(path);
  const float value = 0.25F;
  const std::size_t place = bytes.find(std::string(reinterpret_cast<const char*>(&value), 4));
  ASSERT_NE(place, std::string::npos);
  bytes[place] ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_THAT(user_error_of([&] { read_weights(path); }),
              AllOf(HasSubstr("x.pt"), HasSubstr("does not match its checksum: it is damaged")));
}

TEST(TorchFile, does_not_use_the_stride_of_an_axis_of_one) {
  std::string pickled = state_dict(tensor("FloatStorage", 6, 0, {1, 3}, {12345, 2}));
  const std::string stride = number(12345);
  pickled.replace(pickled.find(stride), stride.size(), largest_number());
  EXPECT_THAT(read_torch(pickled, floats(6)).at(0).values, ElementsAre(0, 2, 4));
}

TEST(TorchFile, reads_plain_dicts_and_parameters) {
  const std::string parameter = global("torch._utils", "_rebuild_parameter") + "(" +
                                tensor("FloatStorage", 2, 0, {2}, {1}) + "\x88" +
                                empty_ordered_dict() + "tR";
  EXPECT_THAT(read_torch(pickle("}" + text("w") + parameter + "s"), floats(2)).at(0).values,
              ElementsAre(0, 1));
}

TEST(TorchFile, converts_every_element_type) {
  const std::pair<const char*, torch::ScalarType> types[] = {
      {"DoubleStorage", torch::kFloat64}, {"FloatStorage", torch::kFloat32},
      {"HalfStorage", torch::kFloat16},   {"BFloat16Storage", torch::kBFloat16},
      {"LongStorage", torch::kInt64},     {"IntStorage", torch::kInt32},
      {"ShortStorage", torch::kInt16},    {"CharStorage", torch::kInt8},
      {"ByteStorage", torch::kUInt8},     {"BoolStorage", torch::kBool},
  };
  for (const auto& [storage, type] : types) {
    SCOPED_TRACE(storage);
    const torch::Tensor stored = torch::tensor({0.0f, 1.0f, 100.0f}).to(type);
    const std::string bytes(static_cast<const char*>(stored.const_data_ptr()), stored.nbytes());
    const auto found = read_torch(state_dict(tensor(storage, 3, 0, {3}, {1})), bytes);
    EXPECT_THAT(found.at(0).values, ElementsAre(0.0f, 1.0f, type == torch::kBool ? 1.0f : 100.0f));
  }
}

TEST(TorchFile, names_the_value_that_is_no_dense_tensor) {
  EXPECT_THAT(error_of(state_dict(number(3))),
              AllOf(HasSubstr("x.pt: 'w'"), HasSubstr("number 3"), HasSubstr("torch.save")));
  EXPECT_THAT(error_of(state_dict("}")), HasSubstr("'w' is a dict"));
  EXPECT_THAT(error_of(state_dict(global("torch._utils", "_rebuild_sparse_tensor") + ")R")),
              HasSubstr("_rebuild_sparse_tensor"));
  EXPECT_THAT(error_of(state_dict(tensor("ComplexFloatStorage", 1, 0, {1}, {1})), floats(2)),
              AllOf(HasSubstr("'w'"), HasSubstr("ComplexFloatStorage")));
}

TEST(TorchFile, refuses_what_is_no_dict_of_tensors) {
  EXPECT_THAT(error_of(pickle("]")), HasSubstr("found a list"));
  EXPECT_THAT(error_of(pickle(tensor("FloatStorage", 1, 0, {1}, {1})), floats(1)),
              HasSubstr("found a tensor"));
  EXPECT_THAT(error_of(pickle("}" + number(1) + number(2) + "s")), HasSubstr("names of tensors"));
  EXPECT_THAT(error_of(pickle("}(" + text("a") + tensor("FloatStorage", 1, 0, {1}, {1}) +
                              text("a") + tensor("FloatStorage", 1, 0, {1}, {1}) + "u"),
                       floats(1)),
              HasSubstr("'a' twice"));
}

TEST(TorchFile, calls_nothing_that_a_pickle_names) {
  const TempFolder folder;
  const std::string call =
      global("os", "system") + text("touch " + (folder / "made").string()) + "\x85R";
  EXPECT_THAT(error_of(state_dict(call)), HasSubstr("os.system"));
  EXPECT_FALSE(std::filesystem::exists(folder / "made"));
}

TEST(TorchFile, refuses_tensors_beyond_their_storage) {
  const auto error = [](std::int32_t count, std::int32_t offset,
                        const std::vector<std::int32_t>& shape,
                        const std::vector<std::int32_t>& strides) {
    return error_of(state_dict(tensor("FloatStorage", count, offset, shape, strides)), floats(6));
  };
  EXPECT_THAT(error(7, 0, {6}, {1}), HasSubstr("larger than its data"));
  EXPECT_THAT(error(-1, 0, {6}, {1}), HasSubstr("larger than its data"));
  EXPECT_THAT(error(6, 1, {6}, {1}), HasSubstr("beyond its storage"));
  EXPECT_THAT(error(6, -1, {6}, {1}), HasSubstr("beyond its storage"));
  EXPECT_THAT(error(6, 0, {6}, {2}), HasSubstr("beyond its storage"));
  EXPECT_THAT(error(6, 5, {6}, {-1}), HasSubstr("beyond its storage"));
  EXPECT_THAT(error(6, 0, {-6}, {1}), HasSubstr("negative"));
  EXPECT_THAT(error(6, 0, {1 << 30, 1 << 30, 1 << 30}, {0, 0, 0}), HasSubstr("too large"));
  EXPECT_THAT(error(6, 0, {1 << 30}, {0}), HasSubstr(".clone()"));
  EXPECT_THAT(error(6, 0, {6}, {1, 1}), HasSubstr("2 strides"));
}

TEST(TorchFile, refuses_damaged_pickles) {
  const std::string whole = state_dict(tensor("FloatStorage", 6, 0, {6}, {1}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(error_of(whole.substr(0, size)), HasSubstr("x.pt"));
  }
  for (const char* broken :
       {"", "t", "u", "R", "Q", "q", "h\x07", "]}s", "(", "\x81", "}b", "\xff"}) {
    SCOPED_TRACE(broken);
    EXPECT_THAT(error_of(pickle(broken)), HasSubstr("x.pt"));
  }
}

TEST(TorchFile, refuses_names_that_fill_a_page) {
  const std::string value = tensor("FloatStorage", 1, 0, {1}, {1});
  EXPECT_THAT(error_of(pickle("}" + text(std::string(90'000, 'n')) + value + "s"), floats(1)),
              HasSubstr("the name of a tensor has 90000 bytes; expected at most 1024"));
  EXPECT_THAT(error_of(pickle("}" + text("a\nb") + value + "s"), floats(1)),
              HasSubstr("the name of a tensor holds control characters"));
}

TEST(TorchFile, takes_no_more_memory_for_names_that_are_used_again) {
  // 90 KB of a name, and as many calls of it as 90 KB hold: each result once had a copy of it.
  std::string object = global(std::string(90'000, 'x'), "y") + "q\2]";
  for (int i = 0; i < 18'000; ++i) object += "h\2)Ra";
  std::string error;
  const std::int64_t growth = test::memory_growth([&] { error = error_of(pickle(object)); });
  EXPECT_THAT(error, HasSubstr("found a list"));
  EXPECT_LT(growth, 64 * test::mebibyte);
}

TEST(TorchFile, refuses_many_tensors_on_one_storage) {
  constexpr std::int32_t count = 1 << 20;
  std::string entries = "}(";
  for (int i = 0; i < 2'000; ++i) {
    entries += text(concat("w", i)) +
               (i == 0 ? tensor("FloatStorage", count, 0, {count}, {1}) + "q" + std::string(1, '\1')
                       : "h" + std::string(1, '\1'));
  }
  std::string error;
  const std::int64_t growth = test::memory_growth(
      [&] { error = error_of(pickle(entries + "u"), std::string(count * sizeof(float), '\0')); });
  EXPECT_THAT(error, AllOf(HasSubstr("storage '0'"), HasSubstr("'w16'"), HasSubstr(".clone()")));
  EXPECT_LT(growth, 64 * test::mebibyte);
}

TEST(TorchFile, reads_tensors_that_share_a_storage) {
  const std::string shared = tensor("FloatStorage", 2, 0, {2}, {1}) + "q" + std::string(1, '\1');
  const auto found = read_torch(
      pickle("}(" + text("a") + shared + text("b") + "h" + std::string(1, '\1') + "u"), floats(2));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].values, found[1].values);
}

TEST(TorchFile, refuses_compressed_records) {
  const TempFolder folder;
  {
    caffe2::serialize::PyTorchStreamWriter writer((folder / "x.pt").string());
    const std::string zeros(std::size_t{64} << 20, '\0');
    writer.writeRecord("data.pkl", zeros.data(), zeros.size(), /*compress=*/true);
    writer.writeEndOfFile();
  }
  std::string error;
  const std::int64_t growth =
      test::memory_growth([&] { error = user_error_of([&] { read_weights(folder / "x.pt"); }); });
  EXPECT_THAT(error, AllOf(HasSubstr("x.pt"), HasSubstr("compressed"), HasSubstr("torch.save")));
  EXPECT_LT(growth, 16 * test::mebibyte);
}

TEST(TorchFile, refuses_archives_of_another_kind) {
  const std::string good = state_dict(tensor("FloatStorage", 1, 0, {1}, {1}));
  EXPECT_THAT(user_error_of([&] { read_torch(good, floats(1), "big"); }), HasSubstr("'big'"));
  EXPECT_THAT(error_of(state_dict(tensor("FloatStorage", 2, 0, {1}, {1})), floats(1)),
              HasSubstr("larger than its data"));
  const TempFolder folder;
  {
    caffe2::serialize::PyTorchStreamWriter writer((folder / "other.pt").string());
    writer.writeRecord("notes", "x", 1);
    writer.writeEndOfFile();
  }
  EXPECT_THAT(user_error_of([&] { read_weights(folder / "other.pt"); }),
              AllOf(HasSubstr("other.pt"), HasSubstr("not made by torch.save")));
}

TEST(TorchFile, refuses_files_that_are_no_archives) {
  const TempFolder folder;
  write_weights(folder / "whole.pt", model());
  const std::string whole = test::content_of(folder / "whole.pt");
  const std::vector<std::string> contents{"",
                                          "no archive",
                                          std::string(4096, '\x80'),
                                          whole.substr(0, whole.size() / 2),
                                          whole.substr(0, whole.size() - 1),
                                          whole.substr(1)};
  for (const std::string& content : contents) {
    std::ofstream(folder / "x.pt", std::ios::binary) << content;
    EXPECT_THAT(user_error_of([&] { read_weights(folder / "x.pt"); }),
                AllOf(HasSubstr("x.pt"), HasSubstr("torch.save")));
  }
  EXPECT_THAT(user_error_of([&] { read_weights(folder / "absent.pt"); }),
              AllOf(HasSubstr("absent.pt"), HasSubstr("no such file")));
  EXPECT_THAT(user_error_of([&] { read_weights(folder / "absent.safetensors"); }),
              HasSubstr("absent.safetensors"));
  EXPECT_THAT(user_error_of([&] { read_weights(folder / "absent.h5"); }), HasSubstr("absent.h5"));
}

}  // namespace
}  // namespace harmofl
