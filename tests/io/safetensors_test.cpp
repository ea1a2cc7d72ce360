// SPDX-License-Identifier: Apache-2.0
// Files are made byte by byte here, so that what is read and written is compared with the format's
// definition and not with this project's own writer.
#include "io/formats/safetensors.hpp"

#include "io/file_size_limit.hpp"
#include "io/samples.hpp"
#include "io/tensor_elements.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

namespace {

using namespace harmofl;
using test::content_of;
using test::TempFolder;
using test::user_error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr float infinity = std::numeric_limits<float>::infinity();

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string with_length(const std::string& header, const std::string& data) {
  return bytes_of(std::vector<std::uint64_t>{header.size()}) + header + data;
}

/// Writes `content` as x.safetensors and reads it.
std::vector<NamedTensor> read(const std::string& content) {
  const TempFolder folder;
  std::ofstream(folder / "x.safetensors", std::ios::binary) << content;
  return read_safetensors(folder / "x.safetensors");
}

/// The error for a file of this header and as many zeros as data.
std::string error_of(const std::string& header, std::size_t data_bytes) {
  return user_error_of([&] { read(with_length(header, std::string(data_bytes, '\0'))); });
}

std::vector<NamedTensor> model() {
  return {{"z.weight", "parameter", {2, 3}, {1.0f, -2.0f, 3.0f, 4.0f, 5.0f, 6.25f}},
          {"norm.num_batches_tracked", "buffer", {}, {7.0f}},
          {"a.none", "parameter", {0, 4}, {}},
          {"a.mean \"\xc3\xa4\"", "buffer", {1}, {0.5f}}};
}

TEST(Safetensors, writes_the_bytes_of_the_format) {
  const TempFolder folder;
  write_safetensors(folder / "m.safetensors", model(), {{"format", "pt"}, {"by", "a test"}});
  std::string header =
      R"({"__metadata__":{"by":"a test","format":"pt"},)"
      R"("norm.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("z.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},)"
      R"("a.none":{"dtype":"F32","shape":[0,4],"data_offsets":[32,32]},)"
      "\"a.mean \\\"\xc3\xa4\\\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[32,36]}}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string data = bytes_of(std::vector<std::int64_t>{7}) +
                           bytes_of<float>({1.0f, -2.0f, 3.0f, 4.0f, 5.0f, 6.25f, 0.5f});
  EXPECT_EQ(content_of(folder / "m.safetensors"), with_length(header, data));
}

TEST(Safetensors, gives_back_what_was_written_counters_first) {
  const TempFolder folder;
  write_safetensors(folder / "m.safetensors", model(), {});
  const std::vector<NamedTensor> found = read_safetensors(folder / "m.safetensors");
  ASSERT_EQ(found.size(), 4u);
  const std::vector<NamedTensor> written = model();
  for (std::size_t i = 0; const std::size_t place : {1u, 0u, 2u, 3u}) {
    EXPECT_EQ(found[i].name, written[place].name);
    EXPECT_EQ(found[i].role, "");
    EXPECT_EQ(found[i].shape, written[place].shape);
    EXPECT_EQ(found[i].values, written[place].values);
    ++i;
  }
}

TEST(Safetensors, rounds_averaged_counters) {
  const TempFolder folder;
  write_safetensors(folder / "m.safetensors", {{"num_batches_tracked", "", {2}, {2.75f, 3.25f}}},
                    {});
  EXPECT_THAT(read_safetensors(folder / "m.safetensors").at(0).values, ElementsAre(3.0f, 3.0f));
}

TEST(Safetensors, keeps_every_bit_of_float32) {
  const std::vector<std::uint32_t> bits{0x00000000, 0x80000000, 0x00000001, 0x7f800000,
                                        0xff800000, 0x7fc00000, 0x7f800001, 0xffc12345};
  std::vector<float> values(bits.size());
  std::memcpy(values.data(), bits.data(), bits.size() * sizeof(float));
  const TempFolder folder;
  write_safetensors(folder / "m.safetensors", {{"x", "", {8}, values}}, {});
  const std::vector<float> found = read_safetensors(folder / "m.safetensors").at(0).values;
  EXPECT_EQ(bytes_of(found), bytes_of(bits));
}

TEST(Safetensors, reads_a_file_without_tensors) {
  EXPECT_THAT(read(with_length("{}", "")), IsEmpty());
}

TEST(Safetensors, takes_the_order_of_the_data_not_of_the_header) {
  const std::vector<NamedTensor> found =
      read(with_length(R"({"b":{"data_offsets":[4,8],"dtype":"F32","shape":[1]},)"
                       R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )",
                       bytes_of<float>({1.0f, 2.0f})));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "a");
  EXPECT_EQ(found[1].name, "b");
  EXPECT_THAT(found[1].values, ElementsAre(2.0f));
}

struct Case {
  const char* dtype;
  std::string data;
  std::vector<float> expected;
};

TEST(Safetensors, converts_every_element_type) {
  const std::vector<Case> cases{
      {"F64", bytes_of<double>({0.1, -1e300, 1e-60}), {0.1f, -infinity, 0.0f}},
      {"F32", bytes_of<float>({0.1f, -1e38f}), {0.1f, -1e38f}},
      // Of binary16: 1, -2, the largest, the smallest normal, the smallest subnormal, infinity.
      {"F16",
       bytes_of<std::uint16_t>({0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0xfc00, 0x83ff}),
       {1.0f, -2.0f, 65504.0f, 0x1p-14f, 0x1p-24f, -infinity, -1023 * 0x1p-24f}},
      {"BF16",
       bytes_of<std::uint16_t>({0x3f80, 0xc040, 0x0001, 0x7f80}),
       {1.0f, -3.0f, 0x1p-133f, infinity}},
      {"I64", bytes_of<std::int64_t>({-5, (std::int64_t{1} << 24) + 1}), {-5.0f, 0x1p24f}},
      {"I32", bytes_of<std::int32_t>({-7, 1 << 30}), {-7.0f, 0x1p30f}},
      {"I16", bytes_of<std::int16_t>({-32768, 9}), {-32768.0f, 9.0f}},
      {"I8", bytes_of<std::int8_t>({-128, 127}), {-128.0f, 127.0f}},
      {"U8", bytes_of<std::uint8_t>({0, 255}), {0.0f, 255.0f}},
      {"BOOL", bytes_of<std::uint8_t>({0, 1}), {0.0f, 1.0f}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.dtype);
    const std::string header =
        concat(R"({"x":{"dtype":")", c.dtype, R"(","shape":[)", c.expected.size(),
               R"(],"data_offsets":[0,)", c.data.size(), "]}}");
    EXPECT_EQ(read(with_length(header, c.data)).at(0).values, c.expected);
  }
}

/// What a binary16 means, by the definition: a power of two times a fraction.
double meaning_of_half(std::uint16_t half) {
  const int exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
  const double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return fraction == 0 ? sign * infinity : std::nan("");
  return exponent == 0 ? sign * std::ldexp(fraction, -24)
                       : sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(TensorElements, convert_all_halves_exactly) {
  std::vector<std::uint16_t> halves(1 << 16);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  std::vector<float> found(halves.size());
  convert_to_float32(ElementType::float16, std::as_bytes(std::span(halves)), found);
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const double expected = meaning_of_half(halves[i]);
    ASSERT_EQ(std::isnan(found[i]), std::isnan(expected)) << i;
    if (!std::isnan(expected)) {
      ASSERT_EQ(double{found[i]}, expected) << i;
    }
    ASSERT_EQ(std::signbit(found[i]), (halves[i] & 0x8000) != 0) << i;
  }
}

TEST(TensorElements, count_elements_without_overflow) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count({2, 3, 4}), 24);
  EXPECT_EQ(element_count({5, 0}), 0);
  EXPECT_EQ(element_count({-1, 2}), std::nullopt);
  EXPECT_EQ(element_count({std::int64_t{1} << 32, std::int64_t{1} << 32}), std::nullopt);
}

TEST(Safetensors, names_a_file_that_is_not_there) {
  const TempFolder folder;
  EXPECT_THAT(user_error_of([&] { read_safetensors(folder / "no.safetensors"); }),
              AllOf(HasSubstr("no.safetensors"), HasSubstr("no such file")));
  EXPECT_THAT(user_error_of([&] { read_safetensors(folder.path()); }), HasSubstr("regular file"));
}

TEST(Safetensors, refuses_a_header_of_a_wrong_length) {
  EXPECT_THAT(user_error_of([&] { read("1234567"); }),
              AllOf(HasSubstr("x.safetensors"), HasSubstr("8 bytes"), HasSubstr("found 7")));
  EXPECT_THAT(user_error_of([&] { read(bytes_of<std::uint64_t>({3}) + "{}"); }),
              AllOf(HasSubstr("length is 3"), HasSubstr("only 2")));
  EXPECT_THAT(user_error_of([&] { read(bytes_of<std::uint64_t>({100'000'001}) + "{}"); }),
              HasSubstr("at most 100000000"));
  EXPECT_THAT(user_error_of([&] { read(bytes_of<std::uint64_t>({~0ull}) + "{}"); }),
              HasSubstr("18446744073709551615"));
}

TEST(Safetensors, refuses_a_header_that_is_no_json_object) {
  EXPECT_THAT(error_of("", 0), HasSubstr("begins with '{', found an empty one"));
  EXPECT_THAT(error_of(" {}", 0), HasSubstr("begins with '{'"));
  EXPECT_THAT(error_of("[]", 0), HasSubstr("begins with '{'"));
  EXPECT_THAT(error_of("{]", 0), HasSubstr("not JSON"));
  EXPECT_THAT(error_of("{} x", 0), HasSubstr("not JSON"));
  EXPECT_THAT(error_of("{\"a\xff\":1}", 0), HasSubstr("not JSON"));
}

TEST(Safetensors, refuses_a_key_that_stands_twice) {
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                       1),
              HasSubstr("'a' twice"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1),
              HasSubstr("'dtype' twice"));
}

TEST(Safetensors, refuses_metadata_that_are_no_texts) {
  EXPECT_THAT(error_of(R"({"__metadata__":[]})", 0), HasSubstr("'__metadata__'"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"n":1}})", 0),
              AllOf(HasSubstr("'__metadata__'"), HasSubstr("found 1 under 'n'")));
}

TEST(Safetensors, refuses_tensors_that_are_not_described) {
  EXPECT_THAT(error_of(R"({"a":1})", 0), AllOf(HasSubstr("tensor 'a'"), HasSubstr("found 1")));
  EXPECT_THAT(error_of(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1), HasSubstr("'dtype'"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1), HasSubstr("'shape'"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[1]}})", 1), HasSubstr("'data_offsets'"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1),
              AllOf(HasSubstr("'dtype'"), HasSubstr("found 8")));
}

TEST(Safetensors, names_an_unknown_type_of_elements) {
  EXPECT_THAT(error_of(R"({"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}})", 8),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("C64"), HasSubstr("F64, F32, F16, BF16")));
}

TEST(Safetensors, refuses_sizes_that_are_no_whole_numbers) {
  const std::vector<std::string> shapes{"[-1]", "[1.5]", "[\"1\"]", "[true]",
                                        "1",    "{}",    "null",    "[9223372036854775808]"};
  for (const std::string& shape : shapes) {
    SCOPED_TRACE(shape);
    EXPECT_THAT(
        error_of(concat(R"({"a":{"dtype":"U8","shape":)", shape, R"(,"data_offsets":[0,1]}})"), 1),
        AllOf(HasSubstr("tensor 'a': expected 'shape'"), HasSubstr("found " + shape)));
    EXPECT_THAT(
        error_of(concat(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":)", shape, "}}"), 1),
        AllOf(HasSubstr("tensor 'a': expected 'data_offsets'"), HasSubstr("found " + shape)));
  }
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1),
              HasSubstr("expected 2 numbers"));
}

TEST(Safetensors, refuses_places_outside_the_data) {
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("[1,0]")));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("the 1 bytes of data")));
}

TEST(Safetensors, refuses_shapes_that_do_not_fit_their_data) {
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("shape [2]"), HasSubstr("need 8 bytes"),
                    HasSubstr("hold 4")));
  EXPECT_THAT(
      error_of(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0),
      HasSubstr("too large"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F64","shape":[1152921504606846977],)"
                       R"("data_offsets":[0,8]}})",
                       8),
              HasSubstr("too large"));
}

TEST(Safetensors, refuses_overlaps_and_gaps) {
  const auto two = [](const std::string& first, const std::string& second) {
    return concat(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)", first,
                  R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)", second, "}}");
  };
  EXPECT_EQ(read(with_length(two("[2,4]", "[0,2]"), "wxyz")).size(), 2u);
  EXPECT_THAT(error_of(two("[0,2]", "[1,3]"), 3),
              AllOf(HasSubstr("tensor 'b'"), HasSubstr("byte 1"), HasSubstr("overlap")));
  EXPECT_THAT(error_of(two("[0,2]", "[0,2]"), 2), HasSubstr("overlap"));
  EXPECT_THAT(error_of(two("[0,2]", "[3,5]"), 5),
              AllOf(HasSubstr("tensor 'b'"), HasSubstr("byte 3"), HasSubstr("gap")));
  EXPECT_THAT(error_of(two("[1,3]", "[3,5]"), 5), AllOf(HasSubstr("tensor 'a'"), HasSubstr("gap")));
  EXPECT_THAT(error_of(two("[0,2]", "[2,4]"), 5),
              AllOf(HasSubstr("byte 4"), HasSubstr("5 bytes of data")));
  EXPECT_THAT(error_of("{}", 1), HasSubstr("1 bytes of data"));
}

TEST(Safetensors, refuses_every_truncation) {
  const TempFolder folder;
  write_safetensors(folder / "m.safetensors", model(), {});
  const std::string whole = content_of(folder / "m.safetensors");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(user_error_of([&] { read(whole.substr(0, size)); }), HasSubstr("x.safetensors"));
  }
}

TEST(Safetensors, refuses_to_write_names_that_cannot_be_read) {
  const TempFolder folder;
  const auto error = [&](const std::vector<NamedTensor>& tensors) {
    return user_error_of([&] { write_safetensors(folder / "m.safetensors", tensors, {}); });
  };
  EXPECT_THAT(error({{"a", "", {}, {1.0f}}, {"a", "", {}, {2.0f}}}), HasSubstr("'a'"));
  EXPECT_THAT(error({{"__metadata__", "", {}, {1.0f}}}), HasSubstr("__metadata__"));
  EXPECT_THAT(error({{"\xff", "", {}, {1.0f}}}), HasSubstr("UTF-8"));
  EXPECT_THAT(error({{"num_batches_tracked", "", {}, {infinity}}}), HasSubstr("inf"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, keeps_the_old_file_on_a_full_disk) {
  const TempFolder folder;
  write_safetensors(folder / "m.safetensors", model(), {});
  std::string message;
  {
    const test::FileSizeLimit limit(20000);
    message = user_error_of([&] {
      write_safetensors(folder / "m.safetensors",
                        {{"big", "", {100000}, std::vector<float>(100000, 1.0f)}}, {});
    });
  }
  EXPECT_THAT(message, AllOf(HasSubstr("m.safetensors"), HasSubstr("cannot be written")));
  EXPECT_EQ(read_safetensors(folder / "m.safetensors").size(), 4u);
}

TEST(Safetensors, refuses_a_header_that_nests_without_end) {
  const std::string depth(1'000'000, '[');
  EXPECT_THAT(error_of(R"({"a":{"dtype":)" + depth, 0), HasSubstr("nests values deeper"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":)" + depth + std::string(depth.size(), ']') + "}}", 0),
              HasSubstr("nests values deeper"));
}

TEST(Safetensors, refuses_names_that_fill_a_page) {
  const std::string description = R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  EXPECT_THAT(error_of(R"({")" + std::string(100'000, 'n') + description, 1),
              HasSubstr("the name of a tensor has 100000 bytes; expected at most 1024"));
  EXPECT_THAT(error_of(R"({"a\nb)" + description, 1),
              HasSubstr("the name of a tensor holds control characters"));
}

TEST(Safetensors, reads_no_data_of_a_file_that_is_refused) {
  const TempFolder folder;
  const auto error = [&](const std::string& header, std::uint64_t data_bytes) {
    const std::filesystem::path path = folder / "sparse.safetensors";
    std::ofstream(path, std::ios::binary) << with_length(header, "");
    std::filesystem::resize_file(path, 8 + header.size() + data_bytes);  // takes no disk
    return user_error_of([&] { read_safetensors(path); });
  };
  constexpr std::uint64_t data_bytes = std::uint64_t{1} << 42;
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", data_bytes),
              HasSubstr("the tensors end at byte 4 of the data"));
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","shape":[1099511627776],)"
                    R"("data_offsets":[0,4398046511104]}})",
                    data_bytes),
              AllOf(HasSubstr("this machine has"), HasSubstr("larger machine")));
}

TEST(Safetensors, reads_tensors_that_are_larger_than_what_is_read_at_once) {
  std::vector<std::int16_t> stored(700'001);  // more than 1 MiB, no multiple of it
  for (std::size_t i = 0; i < stored.size(); ++i) stored[i] = static_cast<std::int16_t>(i % 30011);
  const auto found = read(with_length(R"({"a":{"dtype":"I16","shape":[700001],)"
                                      R"("data_offsets":[0,1400002]}})",
                                      bytes_of(stored)));
  ASSERT_EQ(found.at(0).values.size(), stored.size());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    ASSERT_EQ(found[0].values[i], static_cast<float>(stored[i])) << i;
  }
}

}  // namespace
