// SPDX-License-Identifier: Apache-2.0
/// Typed indices: a client is not a rank, and the compiler knows.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>

namespace harmofl {

/// An index that does not convert to any other kind of index.
template <class Tag>
class Index {
 public:
  constexpr Index() = default;
  constexpr explicit Index(std::int64_t value) : value_(value) {}

  constexpr std::int64_t value() const { return value_; }
  constexpr std::size_t position() const { return static_cast<std::size_t>(value_); }

  constexpr Index& operator++() {
    ++value_;
    return *this;
  }
  constexpr auto operator<=>(const Index&) const = default;

  friend std::ostream& operator<<(std::ostream& out, Index index) { return out << index.value_; }

 private:
  std::int64_t value_ = 0;
};

using ClientId = Index<struct ClientTag>;  ///< Position in the federation's list of clients.
using RoundId = Index<struct RoundTag>;    ///< Communication round, from 0.
using Rank = Index<struct RankTag>;        ///< Process of the MPI job.

}  // namespace harmofl
