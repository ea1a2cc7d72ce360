// SPDX-License-Identifier: Apache-2.0
// How bytes travel between ranks. Counts of MPI 3 are `int`: what is longer goes in pieces.
#include "base/range.hpp"
#include "comm/communicator_impl.hpp"

namespace harmofl {
namespace {

constexpr int root = 0;
constexpr int size_tag = 1;
constexpr int bytes_tag = 2;

RangeNote bytes_in(std::span<const std::byte> bytes) { return {"bytes", std::ssize(bytes)}; }

int mpi_rank(Rank rank) { return static_cast<int>(rank.value()); }

void copy(std::span<const std::byte> from, std::span<std::byte> to) {
  HARMOFL_EXPECT(from.size() == to.size());
  std::ranges::copy(from, to.begin());
}

/// What a message holds of the bytes of every rank, and where in the message.
class Piece {
 public:
  /// At most `most` bytes of each rank, from `offset` of its `sizes`.
  Piece(const std::vector<std::int64_t>& sizes, std::int64_t offset, std::int64_t most) {
    for (const std::int64_t size : sizes) {
      counts.push_back(static_cast<int>(std::clamp<std::int64_t>(size - offset, 0, most)));
      displacements.push_back(std::exchange(total, total + counts.back()));
    }
  }

  std::vector<int> counts;
  std::vector<int> displacements;
  int total = 0;
};

}  // namespace

void Communicator::broadcast_bytes(Memory bytes) const {
  if (impl_->alone()) return;
  const Range range("broadcast", bytes_in(bytes));
  in_messages(std::ssize(bytes), impl_->message_elements, [&](std::int64_t offset, int count) {
    MPI_Bcast(bytes.data() + offset, count, MPI_BYTE, root, impl_->comm);
  });
}

void Communicator::all_gather_bytes(Bytes own, Memory all) const {
  HARMOFL_EXPECT(std::ssize(own) <= default_message_elements);
  if (impl_->alone()) return copy(own, all);
  const Range range("all-gather", bytes_in(own));
  const int count = static_cast<int>(own.size());
  MPI_Allgather(own.data(), count, MPI_BYTE, all.data(), count, MPI_BYTE, impl_->comm);
}

// Every rank sends its next piece at once; pieces are short enough for all of them together to be
// one message, so that their displacements are `int`.
void Communicator::gather_bytes(
    Bytes own, Receivers receivers,
    const std::function<Memory(std::size_t, std::int64_t)>& memory_for) const {
  if (impl_->alone()) return copy(own, memory_for(0, std::ssize(own)));
  const std::vector<std::int64_t> sizes = all_gather_value(std::int64_t{std::ssize(own)});
  const Range range("gather", bytes_in(own));
  const bool receives = receivers == Receivers::all || is_root();
  std::vector<Memory> all;
  for (std::size_t r = 0; receives && r < sizes.size(); ++r) all.push_back(memory_for(r, sizes[r]));

  const std::int64_t most = std::max<std::int64_t>(1, impl_->message_elements / size());
  const std::int64_t longest = std::ranges::max(sizes);
  std::vector<std::byte> received;
  for (std::int64_t offset = 0; offset < longest; offset += most) {
    const Piece piece(sizes, offset, most);
    if (receives) received.resize(static_cast<std::size_t>(piece.total));
    const std::byte* next = own.data() + std::min(offset, std::int64_t{std::ssize(own)});
    const int count = piece.counts[rank().position()];
    if (receivers == Receivers::all) {
      MPI_Allgatherv(next, count, MPI_BYTE, received.data(), piece.counts.data(),
                     piece.displacements.data(), MPI_BYTE, impl_->comm);
    } else {
      MPI_Gatherv(next, count, MPI_BYTE, received.data(), piece.counts.data(),
                  piece.displacements.data(), MPI_BYTE, root, impl_->comm);
    }
    for (std::size_t r = 0; r < all.size(); ++r) {
      const std::byte* first = received.data() + piece.displacements[r];
      std::copy_n(first, piece.counts[r], all[r].data() + std::min(offset, sizes[r]));
    }
  }
}

void Communicator::send_bytes(Rank to, Bytes bytes) const {
  const Range range("send", bytes_in(bytes));
  const std::int64_t total = std::ssize(bytes);
  MPI_Send(&total, 1, MPI_INT64_T, mpi_rank(to), size_tag, impl_->comm);
  in_messages(total, impl_->message_elements, [&](std::int64_t offset, int count) {
    MPI_Send(bytes.data() + offset, count, MPI_BYTE, mpi_rank(to), bytes_tag, impl_->comm);
  });
}

void Communicator::receive_bytes(Rank from,
                                 const std::function<Memory(std::int64_t)>& memory_for) const {
  const Range range("receive");
  std::int64_t total = 0;
  MPI_Recv(&total, 1, MPI_INT64_T, mpi_rank(from), size_tag, impl_->comm, MPI_STATUS_IGNORE);
  const Memory memory = memory_for(total);
  in_messages(total, impl_->message_elements, [&](std::int64_t offset, int count) {
    MPI_Recv(memory.data() + offset, count, MPI_BYTE, mpi_rank(from), bytes_tag, impl_->comm,
             MPI_STATUS_IGNORE);
  });
}

}  // namespace harmofl
