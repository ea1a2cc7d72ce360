// SPDX-License-Identifier: Apache-2.0
// The hashes by which runs are compared, and their lines of JSON.
#include "fl/record/fingerprints.hpp"

#include "base/checksum.hpp"
#include "model/fingerprint.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <set>
#include <span>

namespace harmofl {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Fingerprint, begins_as_the_checksum_of_the_values_that_a_checkpoint_stores) {
  const std::vector<float> values{1.0F, -2.5F, 3.0F, 0.0F, 7.0F, 8.0F};
  const torch::Tensor tensor = torch::tensor(values);
  EXPECT_EQ(fingerprint(tensor), checksum(std::as_bytes(std::span(values))).substr(0, 16));
  EXPECT_EQ(fingerprint(tensor.view({2, 3})), fingerprint(tensor));
}

TEST(Fingerprint, does_not_depend_on_how_a_tensor_lies_in_memory) {
  const torch::Tensor images = torch::arange(2 * 3 * 4 * 5).to(torch::kFloat32).view({2, 3, 4, 5});
  EXPECT_EQ(fingerprint(images.contiguous(torch::MemoryFormat::ChannelsLast)), fingerprint(images));
  EXPECT_EQ(fingerprint(images.transpose(2, 3)), fingerprint(images.transpose(2, 3).contiguous()));
  EXPECT_NE(fingerprint(images.transpose(2, 3)), fingerprint(images));
}

TEST(Fingerprint, notices_each_bit) {
  const torch::Tensor values = torch::zeros({33}, torch::kInt32);
  std::set<std::string> seen{fingerprint(values)};
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    for (int bit = 0; bit < 32; ++bit) {
      torch::Tensor other = values.clone();
      other[i] = static_cast<std::int32_t>(std::uint32_t{1} << static_cast<unsigned>(bit));
      seen.insert(fingerprint(other));
    }
  }
  EXPECT_EQ(seen.size(), 1U + 33U * 32U);
}

TEST(Fingerprint, of_a_state_is_that_of_each_tensor_row_major) {
  const std::vector<Slot> slots{
      {"a", Role::parameter, {2}, 0, 2, false, false},
      {"b", Role::parameter, {2, 3, 2, 2}, 2, 24, false, true},  // stored as [O, H, W, I]
      {"c", Role::buffer, {}, 26, 1, false, false}};
  const torch::Tensor state = torch::arange(27).to(torch::kFloat32);
  const torch::Tensor b = state.narrow(0, 2, 24).view({2, 2, 2, 3}).permute({0, 3, 1, 2});
  EXPECT_EQ(fingerprints(state, slots),
            (std::vector<std::string>{fingerprint(state.narrow(0, 0, 2)),
                                      fingerprint(b.contiguous()), fingerprint(state[26])}));
  EXPECT_NE(fingerprint(b), fingerprint(state.narrow(0, 2, 24)));
}

TEST(Fingerprint, that_is_added_up_is_that_of_all_in_order) {
  const torch::Tensor all = torch::arange(10).to(torch::kFloat32);
  RunningFingerprint sum, other;
  sum.add(all.narrow(0, 0, 3));
  sum.add(all.narrow(0, 3, 7));
  EXPECT_EQ(sum.text(), fingerprint(all));
  other.add(all.narrow(0, 3, 7));
  other.add(all.narrow(0, 0, 3));
  EXPECT_NE(other.text(), fingerprint(all));
}

RoundFingerprints round_of() {
  const std::string a(16, 'a'), b(16, 'b'), zero(16, '0');
  return {.round = 3,
          .tensors = {{"conv.weight", {4, 3}}, {"scale", {}}},
          .start = {a, b},
          .clients = {{.site = "north",
                       .weight = 0.1,
                       .batches = zero,
                       .kept_before = {},
                       .model = {b, a},
                       .extra = "",
                       .kept = {{"optimizer.m", a}}},
                      {.site = "south",
                       .weight = {},
                       .batches = a,
                       .kept_before = {{"optimizer.m", b}},
                       .model = {b, b},
                       .extra = b,
                       .kept = {}}},
          .average = {zero, a},
          .server = {{"u", b}},
          .model = {zero, zero}};
}

RoundFingerprints parsed(const json& line) {
  return parse_fingerprints({line, "f.jsonl:1", "Mend."});
}

TEST(Fingerprints, come_back_from_their_line) {
  const json line = json::parse(to_json(round_of()).dump());
  EXPECT_EQ(parsed(line), round_of());
  RoundFingerprints plain = round_of();
  plain.average.clear();
  EXPECT_EQ(parsed(to_json(plain)), plain);
}

TEST(Fingerprints, are_refused_where_no_run_writes_them) {
  const auto error = [](const json::json_pointer& at, const json& value) {
    json line = to_json(round_of());
    line[at] = value;
    return test::user_error_of([&] { parsed(line); });
  };
  using Pointer = json::json_pointer;
  EXPECT_THAT(error(Pointer("/start/0"), "x"),
              HasSubstr("f.jsonl:1: start.0: expected 16 hexadecimal digits, found x. Mend."));
  EXPECT_THAT(error(Pointer("/start/0"), std::string(16, 'A')), HasSubstr("hexadecimal"));
  EXPECT_THAT(error(Pointer("/model"), json::array()),
              HasSubstr("model: expected 2 tensors, found 0"));
  EXPECT_THAT(error(Pointer("/clients/1/model"), {"0123456789abcdef"}),
              HasSubstr("clients.1.model: expected 2 tensors, found 1"));
  EXPECT_THAT(error(Pointer("/clients/0/weight"), "much"), HasSubstr("expected a finite number"));
  EXPECT_THAT(error(Pointer("/clients/0/kept/optimizer.m"), 7), HasSubstr("expected a text"));
  EXPECT_THAT(error(Pointer("/round"), -1), HasSubstr("round"));
  EXPECT_THAT(error(Pointer("/tensors/0"), {"w"}), HasSubstr("a name and a shape"));
  EXPECT_THAT(error(Pointer("/tensors/0/1"), {-4}), HasSubstr("tensors.0.1.0"));
  json line = to_json(round_of());
  line.erase("server");
  EXPECT_THAT(test::user_error_of([&] { parsed(line); }), HasSubstr("'server' is missing"));
}

}  // namespace
}  // namespace harmofl
