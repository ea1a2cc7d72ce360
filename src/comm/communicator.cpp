// SPDX-License-Identifier: Apache-2.0
// Collective operations of one communicator. Counts of MPI 3 are `int`, so every operation goes in
// messages of at most `message_elements`; a communicator of one rank calls MPI nowhere.
#include "comm/communicator.hpp"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <unistd.h>
#include <utility>

namespace harmofl {
namespace {

constexpr std::int64_t default_message_elements = std::int64_t{1} << 30;
constexpr int root = 0;
constexpr int size_tag = 1;
constexpr int bytes_tag = 2;

MPI_Datatype type_of(float) { return MPI_FLOAT; }
MPI_Datatype type_of(double) { return MPI_DOUBLE; }
MPI_Datatype type_of(std::int64_t) { return MPI_INT64_T; }

/// Calls `send(offset, count)` for successive pieces of `total` elements.
template <class Send>
void in_messages(std::int64_t total, std::int64_t most, const Send& send) {
  for (std::int64_t offset = 0; offset < total; offset += most) {
    send(offset, static_cast<int>(std::min(most, total - offset)));
  }
}

template <class Value>
void all_reduce(MPI_Comm comm, std::int64_t most, std::span<Value> buffer, MPI_Op op) {
  in_messages(std::ssize(buffer), most, [&](std::int64_t offset, int count) {
    MPI_Allreduce(MPI_IN_PLACE, buffer.data() + offset, count, type_of(Value{}), op, comm);
  });
}

/// MPI_Op that keeps NaN, which MPI_MAX may lose.
void max_or_nan(void* in, void* inout, int* count, MPI_Datatype*) {
  const auto* left = static_cast<const double*>(in);
  auto* right = static_cast<double*>(inout);
  for (int i = 0; i < *count; ++i) {
    if (std::isnan(left[i]) || left[i] > right[i]) right[i] = left[i];
  }
}

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace

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

  std::vector<std::string> gather(const std::string& bytes, bool everywhere) const;
};

Communicator::Communicator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Communicator::Communicator(Communicator&&) noexcept = default;
Communicator& Communicator::operator=(Communicator&&) noexcept = default;
Communicator::~Communicator() = default;

Communicator Communicator::serial() { return Communicator(std::make_unique<Impl>()); }

Communicator Communicator::world() {
  MPI_Comm copy = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  return Communicator(std::make_unique<Impl>(copy));
}

Communicator Communicator::split(int colour) const {
  if (impl_->alone()) return serial();
  MPI_Comm part = MPI_COMM_NULL;
  MPI_Comm_split(impl_->comm, colour, impl_->rank, &part);
  return Communicator(std::make_unique<Impl>(part));
}

Rank Communicator::rank() const { return Rank{impl_->rank}; }
std::int64_t Communicator::size() const { return impl_->size; }
int Communicator::local_rank() const { return impl_->local_rank; }
int Communicator::local_size() const { return impl_->local_size; }
std::string Communicator::host() const { return host_name(); }

void Communicator::limit_messages(std::int64_t elements) {
  HARMOFL_EXPECT(elements > 0 && elements <= default_message_elements);
  impl_->message_elements = elements;
}

void Communicator::barrier() const {
  if (!impl_->alone()) MPI_Barrier(impl_->comm);
}

void Communicator::all_reduce_sum(std::span<float> buffer) const {
  if (!impl_->alone()) all_reduce(impl_->comm, impl_->message_elements, buffer, MPI_SUM);
}

void Communicator::all_reduce_sum(std::span<double> buffer) const {
  if (!impl_->alone()) all_reduce(impl_->comm, impl_->message_elements, buffer, MPI_SUM);
}

void Communicator::all_reduce_sum(std::span<std::int64_t> buffer) const {
  if (!impl_->alone()) all_reduce(impl_->comm, impl_->message_elements, buffer, MPI_SUM);
}

void Communicator::all_reduce_max(std::span<double> buffer) const {
  if (impl_->alone()) return;
  MPI_Op op = MPI_OP_NULL;
  MPI_Op_create(&max_or_nan, 1, &op);
  all_reduce(impl_->comm, impl_->message_elements, buffer, op);
  MPI_Op_free(&op);
}

void Communicator::broadcast(std::string& bytes) const {
  if (impl_->alone()) return;
  std::int64_t total = std::ssize(bytes);
  MPI_Bcast(&total, 1, MPI_INT64_T, root, impl_->comm);
  bytes.resize(static_cast<std::size_t>(total));
  in_messages(total, impl_->message_elements, [&](std::int64_t offset, int count) {
    MPI_Bcast(bytes.data() + offset, count, MPI_BYTE, root, impl_->comm);
  });
}

/// Every rank sends its next piece at once; pieces are short enough for the sum of all of them to
/// have an `int` displacement.
std::vector<std::string> Communicator::Impl::gather(const std::string& bytes,
                                                    bool everywhere) const {
  const auto ranks = static_cast<std::size_t>(size);
  const std::int64_t own = std::ssize(bytes);
  std::vector<std::int64_t> sizes(ranks);
  MPI_Allgather(&own, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, comm);

  const bool receives = everywhere || rank == root;
  const std::int64_t piece = std::max<std::int64_t>(1, message_elements / size);
  const std::int64_t longest = *std::max_element(sizes.begin(), sizes.end());
  std::vector<std::string> all(receives ? ranks : 0);
  std::vector<int> counts(ranks);
  std::vector<int> displacements(ranks);
  std::string received;
  for (std::int64_t offset = 0; offset < longest; offset += piece) {
    int total = 0;
    for (std::size_t r = 0; r < ranks; ++r) {
      counts[r] = static_cast<int>(std::clamp<std::int64_t>(sizes[r] - offset, 0, piece));
      displacements[r] = std::exchange(total, total + counts[r]);
    }
    if (receives) received.resize(static_cast<std::size_t>(total));
    const char* next = bytes.data() + std::min(offset, own);
    const int count = counts[static_cast<std::size_t>(rank)];
    if (everywhere) {
      MPI_Allgatherv(next, count, MPI_BYTE, received.data(), counts.data(), displacements.data(),
                     MPI_BYTE, comm);
    } else {
      MPI_Gatherv(next, count, MPI_BYTE, received.data(), counts.data(), displacements.data(),
                  MPI_BYTE, root, comm);
    }
    for (std::size_t r = 0; r < all.size(); ++r) {
      all[r].append(received, static_cast<std::size_t>(displacements[r]),
                    static_cast<std::size_t>(counts[r]));
    }
  }
  return all;
}

std::vector<std::string> Communicator::gather(const std::string& bytes) const {
  if (impl_->alone()) return {bytes};
  return impl_->gather(bytes, false);
}

std::vector<std::string> Communicator::all_gather(const std::string& bytes) const {
  if (impl_->alone()) return {bytes};
  return impl_->gather(bytes, true);
}

std::string Communicator::transfer(Rank from, Rank to, std::string bytes) const {
  HARMOFL_EXPECT(from.value() >= 0 && from.value() < size());
  HARMOFL_EXPECT(to.value() >= 0 && to.value() < size());
  if (from == to) return rank() == to ? std::move(bytes) : std::string();
  const auto messages = [&](std::int64_t total, const auto& move) {
    in_messages(total, impl_->message_elements, move);
  };
  if (rank() == from) {
    const int target = static_cast<int>(to.value());
    const std::int64_t total = std::ssize(bytes);
    MPI_Send(&total, 1, MPI_INT64_T, target, size_tag, impl_->comm);
    messages(total, [&](std::int64_t offset, int count) {
      MPI_Send(bytes.data() + offset, count, MPI_BYTE, target, bytes_tag, impl_->comm);
    });
  }
  if (rank() != to) return {};
  const int source = static_cast<int>(from.value());
  std::int64_t total = 0;
  MPI_Recv(&total, 1, MPI_INT64_T, source, size_tag, impl_->comm, MPI_STATUS_IGNORE);
  std::string received(static_cast<std::size_t>(total), '\0');
  messages(total, [&](std::int64_t offset, int count) {
    MPI_Recv(received.data() + offset, count, MPI_BYTE, source, bytes_tag, impl_->comm,
             MPI_STATUS_IGNORE);
  });
  return received;
}

bool Communicator::any(bool value) const {
  std::int64_t count = value ? 1 : 0;
  all_reduce_sum(std::span(&count, 1));
  return count > 0;
}

}  // namespace harmofl
