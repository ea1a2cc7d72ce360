// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/rng.hpp"

#include "harmofl/base/error.hpp"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace harmofl {
namespace {

constexpr std::uint32_t philox_m0 = 0xD2511F53u;
constexpr std::uint32_t philox_m1 = 0xCD9E8D57u;
constexpr std::uint32_t weyl_0 = 0x9E3779B9u;
constexpr std::uint32_t weyl_1 = 0xBB67AE85u;
constexpr int philox_rounds = 10;

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < philox_rounds; ++round) {
    const std::uint64_t p0 = std::uint64_t{philox_m0} * counter[0];
    const std::uint64_t p1 = std::uint64_t{philox_m1} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += weyl_0;
    key[1] += weyl_1;
  }
  return counter;
}

std::uint64_t mix64(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ull;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
  return value ^ (value >> 31);
}

RngStream::RngStream(std::uint64_t seed, RoundId round, ClientId client, RngPurpose purpose) {
  // The key separates seeds and purposes; counter words 1 to 3 separate rounds and clients, so
  // that streams of one seed never overlap before 2^34 draws.
  const std::uint64_t mixed =
      mix64(seed ^ (std::uint64_t{static_cast<std::uint32_t>(purpose)} << 56));
  key_ = {static_cast<std::uint32_t>(mixed), static_cast<std::uint32_t>(mixed >> 32)};
  const auto client_bits = static_cast<std::uint64_t>(client.value());
  counter_ = {0, static_cast<std::uint32_t>(round.value()), static_cast<std::uint32_t>(client_bits),
              static_cast<std::uint32_t>(client_bits >> 32)};
}

RngStream::result_type RngStream::operator()() {
  if (used_ == block_.size()) {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[used_++];
}

double RngStream::uniform() {
  const std::uint64_t high = (*this)() >> 5;
  const std::uint64_t low = (*this)() >> 6;
  return static_cast<double>(high * 67108864 + low) / 9007199254740992.0;  // 53 bits
}

std::uint32_t RngStream::below(std::uint32_t bound) {
  HARMOFL_EXPECT(bound > 0);
  const std::uint32_t threshold = (0u - bound) % bound;  // draws under it would be biased
  while (true) {
    const std::uint64_t product = std::uint64_t{(*this)()} * bound;
    if (static_cast<std::uint32_t>(product) >= threshold) {
      return static_cast<std::uint32_t>(product >> 32);
    }
  }
}

double RngStream::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::vector<std::int64_t> RngStream::permutation(std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t last = order.size(); last > 1; --last) {
    std::swap(order[last - 1], order[below(static_cast<std::uint32_t>(last))]);
  }
  return order;
}

}  // namespace harmofl
