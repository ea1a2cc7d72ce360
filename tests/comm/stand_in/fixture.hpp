// SPDX-License-Identifier: Apache-2.0
/// Ranks with GPUs of the stand-in.
#pragma once

#include "comm/stand_in/stand_in.hpp"
#include "comm/transport.hpp"
#include "support/errors.hpp"
#include "support/scoped_variable.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace harmofl::test {

inline std::int64_t own_rank() { return world().rank().value(); }
inline bool is_last_rank() { return own_rank() == world().size() - 1; }

/// The GPU of a number: two numbers, two GPUs.
inline stand_in::Gpu gpu(std::int64_t number) {
  return {"uuid " + std::to_string(number), "0000:" + std::to_string(10 + number) + ":00.0"};
}

/// Gives each rank a GPU of its own, and nothing faulty.
class StandIn : public testing::Test {
 protected:
  void SetUp() override { stand_in::reset({gpu(own_rank())}); }
  /// What the stand-in handed out came back.
  void TearDown() override {
    EXPECT_EQ(stand_in::counts().streams, streams_of_test_);
    EXPECT_EQ(stand_in::counts().events, 0);
  }

  /// A stream whose work waits for so many looks.
  cudaStream_t slow_stream(int looks) {
    cudaStream_t stream = nullptr;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    ++streams_of_test_;
    stand_in::delay(stream, looks);
    return stream;
  }

  static std::unique_ptr<Transport> connect(TransportKind kind = TransportKind::nccl,
                                            double limit_s = 60.0) {
    return make_transport(kind, world(), /*gpu=*/true, limit_s);
  }

 private:
  ScopedVariable host_id_{"NCCL_HOSTID", nullptr};
  int streams_of_test_ = 0;
};

/// Numbers of a rank; their sums over ranks are whole and small, so that any order gives them.
template <class Number>
std::vector<Number> numbers_of(std::int64_t rank, std::size_t count = 1000) {
  std::vector<Number> numbers(count);
  std::iota(numbers.begin(), numbers.end(), static_cast<Number>(1000 * rank));
  return numbers;
}

template <class Number>
std::vector<Number> sums_over_ranks(std::size_t count = 1000) {
  const std::int64_t size = world().size();
  std::vector<Number> sums;
  for (std::size_t i = 0; i < count; ++i) {
    sums.push_back(
        static_cast<Number>(size * static_cast<std::int64_t>(i) + 1000 * (size * (size - 1) / 2)));
  }
  return sums;
}

/// Sums this rank's numbers by `transport`.
template <class Number>
std::vector<Number> summed(Transport& transport) {
  std::vector<Number> buffer = numbers_of<Number>(own_rank());
  transport.all_reduce_sum(std::span<Number>(buffer));
  return buffer;
}

/// Sums by `transport` a buffer that `stream` fills with this rank's numbers.
inline std::vector<float> summed_behind(cudaStream_t stream, Transport& transport) {
  const std::vector<float> numbers = numbers_of<float>(own_rank());
  std::vector<float> buffer(numbers.size());
  cudaMemcpyAsync(buffer.data(), numbers.data(), sizeof(float) * numbers.size(),
                  cudaMemcpyHostToDevice, stream);
  transport.all_reduce_sum(std::span<float>(buffer), stream);
  return buffer;
}

}  // namespace harmofl::test
