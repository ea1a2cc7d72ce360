// SPDX-License-Identifier: Apache-2.0
// What a communicator is, and its sums. A communicator of one rank calls MPI nowhere.
#include "base/range.hpp"
#include "comm/communicator_impl.hpp"

#include <array>
#include <cmath>
#include <unistd.h>
#include <utility>

namespace harmofl {
namespace {

MPI_Datatype type_of(float) { return MPI_FLOAT; }
MPI_Datatype type_of(double) { return MPI_DOUBLE; }
MPI_Datatype type_of(std::int64_t) { return MPI_INT64_T; }

template <class Value>
void all_reduce(MPI_Comm comm, std::int64_t most, std::span<Value> buffer, MPI_Op op) {
  const Range range("all-reduce", {"bytes", std::ssize(buffer) * std::int64_t{sizeof(Value)}});
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
  if (impl_->alone()) return;
  const Range range("barrier");
  MPI_Barrier(impl_->comm);
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

bool Communicator::try_all_reduce_sum(std::span<std::int64_t> buffer) const {
  if (impl_->alone()) return true;
  MPI_Comm errors_return = MPI_COMM_NULL;
  MPI_Comm_dup(impl_->comm, &errors_return);
  MPI_Comm_set_errhandler(errors_return, MPI_ERRORS_RETURN);
  bool summed = true;
  in_messages(std::ssize(buffer), impl_->message_elements, [&](std::int64_t offset, int count) {
    summed = MPI_Allreduce(MPI_IN_PLACE, buffer.data() + offset, count, MPI_INT64_T, MPI_SUM,
                           errors_return) == MPI_SUCCESS &&
             summed;
  });
  MPI_Comm_free(&errors_return);
  return summed;
}

void Communicator::all_reduce_max(std::span<double> buffer) const {
  if (impl_->alone()) return;
  MPI_Op op = MPI_OP_NULL;
  MPI_Op_create(&max_or_nan, 1, &op);
  all_reduce(impl_->comm, impl_->message_elements, buffer, op);
  MPI_Op_free(&op);
}

bool Communicator::any(bool value) const {
  std::int64_t count = value ? 1 : 0;
  all_reduce_sum(std::span(&count, 1));
  return count > 0;
}

}  // namespace harmofl
