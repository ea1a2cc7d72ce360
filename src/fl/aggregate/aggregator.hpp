// SPDX-License-Identifier: Apache-2.0
/// Weighted sums of the clients' models, over all clients of all ranks.
#pragma once

#include "comm/transport.hpp"

#include <torch/types.h>

#include <cstdint>

namespace harmofl {

enum class Reduction {
  fast,   ///< float32 sums: the same bits for the same layout of clients over ranks.
  exact,  ///< 64-bit fixed-point sums: the same bits for any layout.
};

/// Bytes of one value in a sum over ranks.
constexpr std::int64_t bytes_of(Reduction reduction) {
  return reduction == Reduction::exact ? 8 : 4;
}

/// Numbers of values in a client's message, in this order.
struct MessageLayout {
  std::int64_t parameters = 0;
  std::int64_t buffers = 0;
  std::int64_t extra = 0;  ///< What a method sends beside the state.

  std::int64_t length() const { return parameters + buffers + extra; }
  bool operator==(const MessageLayout&) const = default;
};

/// Adds up p_i w_i of this rank's clients, then of all ranks by one all-reduce in place.
///
/// `exact` rounds every p_i w_i to a multiple of 2^-44 (parameters, extra; |w_i| < 2^18) or 2^-30
/// (buffers; |w_i| < 2^32) before the sum. Integer addition is associative, so the order in which
/// clients are added does not matter.
class Aggregator {
 public:
  Aggregator(Transport& transport, Reduction reduction);

  /// Starts a round whose messages have this layout, on `device`.
  void begin(const MessageLayout& layout, torch::Device device);

  /// Adds `weight` times `state`, float32 [layout.length()]. Returns false, and adds nothing, when
  /// a value is not finite. Throws RankFailure, naming `client`, when one is too large for `exact`.
  bool add(const torch::Tensor& state, double weight, const std::string& client);

  /// Returns the sum over all ranks, float32 [layout.length()]; valid until the next `begin`.
  /// Collective.
  const torch::Tensor& reduce();

 private:
  bool add_in_host_memory(const torch::Tensor& state, double weight);
  bool add_exact_in_host_memory(const torch::Tensor& state, double weight,
                                const std::string& client);
  void add_exact(const torch::Tensor& state, double weight, const std::string& client);
  void clear_if_empty();
  void reduce_where_transport_wants(torch::Tensor& buffer);

  Transport& transport_;
  Reduction reduction_;
  torch::Tensor staged_;     ///< Pinned host memory, where MPI adds up what lies on a GPU.
  torch::Tensor sum_;        ///< float32: what `reduce` returns.
  bool empty_ = true;        ///< Nothing was added yet, and `sum_` is whatever it was.
  torch::Tensor fixed_sum_;  ///< int64, `exact` only.
  torch::Tensor units_;      ///< float64: units of the fixed point by element, `exact` only.
  MessageLayout layout_;
};

}  // namespace harmofl
