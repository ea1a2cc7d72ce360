// SPDX-License-Identifier: Apache-2.0
/// Private to src/comm: what a communicator holds, and how long buffers become messages.
#pragma once

#include "comm/communicator.hpp"

#include <mpi.h>

#include <algorithm>
#include <cstdint>

namespace harmofl {

/// Counts of MPI 3 are `int`, so every operation goes in messages of at most so many elements.
inline constexpr std::int64_t default_message_elements = std::int64_t{1} << 30;

/// Calls `send(offset, count)` for successive pieces of `total` elements.
template <class Send>
void in_messages(std::int64_t total, std::int64_t most, const Send& send) {
  for (std::int64_t offset = 0; offset < total; offset += most) {
    send(offset, static_cast<int>(std::min(most, total - offset)));
  }
}

struct Communicator::Impl {
  MPI_Comm comm = MPI_COMM_NULL;  ///< Null: one rank, no MPI.
  int rank = 0;
  int size = 1;
  int local_rank = 0;
  int local_size = 1;
  std::int64_t message_elements = default_message_elements;

  Impl() = default;
  explicit Impl(MPI_Comm owned) : comm(owned) {
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    MPI_Comm on_host = MPI_COMM_NULL;
    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &on_host);
    MPI_Comm_rank(on_host, &local_rank);
    MPI_Comm_size(on_host, &local_size);
    MPI_Comm_free(&on_host);
  }
  ~Impl() {
    int finalised = 0;
    if (comm != MPI_COMM_NULL && MPI_Finalized(&finalised) == MPI_SUCCESS && finalised == 0) {
      MPI_Comm_free(&comm);
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  bool alone() const { return comm == MPI_COMM_NULL; }
};

}  // namespace harmofl
