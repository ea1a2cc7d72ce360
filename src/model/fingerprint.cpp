// SPDX-License-Identifier: Apache-2.0
#include "model/fingerprint.hpp"

#include <cstddef>
#include <span>

namespace harmofl {
namespace {

constexpr std::size_t fingerprint_digits = 16;

/// The values on the host, row-major.
torch::Tensor row_major(const torch::Tensor& values) { return values.detach().cpu().contiguous(); }

/// The bytes of `values`, which `row_major` made.
std::span<const std::byte> bytes_in(const torch::Tensor& values) {
  return {static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()};
}

}  // namespace

std::string fingerprint(const torch::Tensor& values) {
  const torch::Tensor host = row_major(values);
  return checksum(bytes_in(host)).substr(0, fingerprint_digits);
}

std::vector<std::string> fingerprints(const torch::Tensor& state, const std::vector<Slot>& slots) {
  const torch::Tensor host = state.detach().cpu();
  std::vector<std::string> found;
  for (const Slot& slot : slots) found.push_back(fingerprint(ParameterVector::view(host, slot)));
  return found;
}

void RunningFingerprint::add(const torch::Tensor& values) {
  const torch::Tensor host = row_major(values);
  sum_.add(bytes_in(host));
}

std::string RunningFingerprint::text() const { return sum_.digest().substr(0, fingerprint_digits); }

}  // namespace harmofl
