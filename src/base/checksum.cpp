// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.hpp"

#define XXH_INLINE_ALL
#include "base/read_file.hpp"

#include <xxhash.h>

#include <array>
#include <cstdio>
#include <new>

namespace harmofl {
namespace {

std::string hexadecimal(XXH128_hash_t hash) {
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text.data();
}

}  // namespace

struct Checksum::State {
  XXH3_state_t xxh;
};

std::string checksum(std::span<const std::byte> bytes) {
  return hexadecimal(XXH3_128bits(bytes.data(), bytes.size()));
}

Checksum::Checksum() : state_(new(std::align_val_t{64}) State) { XXH3_128bits_reset(&state_->xxh); }

Checksum::~Checksum() { ::operator delete(state_, std::align_val_t{64}); }

void Checksum::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
}

std::string Checksum::digest() const { return hexadecimal(XXH3_128bits_digest(&state_->xxh)); }

std::string file_checksum(const std::filesystem::path& path) {
  Checksum sum;
  read_file(path, [&](std::span<const std::byte> part) { sum.add(part); });
  return sum.digest();
}

}  // namespace harmofl
