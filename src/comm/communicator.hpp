// SPDX-License-Identifier: Apache-2.0
/// Processes that work together. The MPI library is seen by this layer alone.
#pragma once

#include "harmofl/base/error.hpp"
#include "harmofl/base/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace harmofl {

/// Initialises MPI for the life of the object; one in main. Works without mpirun too (one rank).
class MpiSession {
 public:
  MpiSession(int& argc, char**& argv);
  /// Finalises MPI; with several ranks, an exception on its way through ends the whole job instead
  /// (exit code 3), since the other ranks would wait for this one for ever.
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  /// Ends every rank of the job at once with `code`. For errors that one rank alone knows of.
  /// Prints nothing itself; works without a live session too, and from any thread.
  [[noreturn]] static void abort(ExitCode code);
};

/// A value that is its bytes and can be sent as they lie: a number, an id, a struct of these.
template <class Value>
concept Plain = std::is_trivially_copyable_v<Value> && !std::is_pointer_v<Value> &&
                !std::is_same_v<Value, bool> && !std::ranges::view<Value>;

/// What ranks send each other: a std::vector of plain values, or a std::string, which may be as
/// long as memory allows (records go as text, a line of JSON each).
template <class Values>
concept Block =
    std::ranges::contiguous_range<Values> && Plain<std::ranges::range_value_t<Values>> &&
    requires(Values values, std::size_t length) { values.resize(length); };

/// Owner of a duplicated MPI communicator. Made serial it needs no MPI at all, and every
/// operation is that of one rank, so that serial and parallel runs share one path.
///
/// Every member function but `rank`, `size`, `is_root`, `local_rank`, `local_size`, `host` and
/// `limit_messages` is collective. Errors of MPI itself are fatal (MPI_ERRORS_ARE_FATAL).
class Communicator {
 public:
  /// One rank, without MPI.
  static Communicator serial();
  /// All ranks of the job. Expects a live MpiSession.
  static Communicator world();

  Communicator(Communicator&&) noexcept;
  Communicator& operator=(Communicator&&) noexcept;
  ~Communicator();

  /// The ranks that pass the same `colour`, in their present order: a fixture's smaller world.
  Communicator split(int colour) const;

  Rank rank() const;
  std::int64_t size() const;
  bool is_root() const { return rank() == Rank{0}; }
  int local_rank() const;    ///< Position among the ranks of this host.
  int local_size() const;    ///< Ranks on this host.
  std::string host() const;  ///< Name of this host.

  /// Sends at most `elements` elements a message from now on (2^30 unless called), of what is not
  /// summed as many bytes. Longer buffers go in pieces, so the tests use it to see the pieces.
  /// Expects the same value on every rank.
  void limit_messages(std::int64_t elements);

  void barrier() const;

  /// Adds `buffer` over all ranks, in place; longer than 2^31 elements too.
  void all_reduce_sum(std::span<float> buffer) const;
  void all_reduce_sum(std::span<double> buffer) const;
  void all_reduce_sum(std::span<std::int64_t> buffer) const;
  /// The same, but false on this rank where MPI reports an error, which ends the job otherwise.
  /// What the buffer then holds is not known.
  bool try_all_reduce_sum(std::span<std::int64_t> buffer) const;
  /// Largest over all ranks, element by element, in place. NaN anywhere gives NaN.
  void all_reduce_max(std::span<double> buffer) const;

  /// Makes every rank's `values` those of the root, and as many.
  template <Block Values>
  void broadcast(Values& values) const;
  /// Gives the root every rank's values, by rank, each as long as that rank's; others get nothing.
  template <Block Values>
  std::vector<Values> gather(const Values& own) const {
    return gather_blocks(own, Receivers::root);
  }
  /// Gives every rank every rank's values, by rank, each as long as that rank's.
  template <Block Values>
  std::vector<Values> all_gather(const Values& own) const {
    return gather_blocks(own, Receivers::all);
  }
  /// Gives rank `to` the values of rank `from`, others get nothing; the only ranks that need to
  /// call are those two. Several transfers meet when all ranks make theirs in one order.
  template <Block Values>
  Values transfer(Rank from, Rank to, Values values) const;

  /// Makes every rank's `value` that of the root.
  template <Plain Value>
  void broadcast_value(Value& value) const {
    broadcast_bytes(std::as_writable_bytes(std::span(&value, 1)));
  }
  /// Gives every rank the one value of every rank, by rank.
  template <Plain Value>
  std::vector<Value> all_gather_value(const Value& own) const;

  /// True everywhere when `value` is true on any rank.
  bool any(bool value) const;

  /// Runs `work` on every rank; if it throws anywhere, every rank throws the error of the lowest
  /// such rank, with its exit code and its text ("rank N: " before it, unless all ranks failed
  /// with the same text). Use it for work that can fail on one rank only (opening files); work
  /// that itself communicates must not be in it.
  void agree(const std::function<void()>& work) const;

 private:
  struct Impl;
  using Bytes = std::span<const std::byte>;
  using Memory = std::span<std::byte>;
  enum class Receivers { root, all };

  explicit Communicator(std::unique_ptr<Impl> impl);

  template <Block Values>
  std::vector<Values> gather_blocks(const Values& own, Receivers receivers) const;

  // The operations on bytes (bytes.cpp), the same for one rank as for many.
  void broadcast_bytes(Memory bytes) const;
  /// `all` is as long as `own` of all ranks together, which is the same on every rank.
  void all_gather_bytes(Bytes own, Memory all) const;
  /// Puts the bytes of a rank where `memory_for` says, which gets the rank and their number.
  void gather_bytes(Bytes own, Receivers receivers,
                    const std::function<Memory(std::size_t, std::int64_t)>& memory_for) const;
  void send_bytes(Rank to, Bytes bytes) const;
  void receive_bytes(Rank from, const std::function<Memory(std::int64_t)>& memory_for) const;

  std::unique_ptr<Impl> impl_;
};

namespace detail {

/// Gives `values` a length of so many bytes, and the memory of them.
template <Block Values>
std::span<std::byte> resize_bytes(Values& values, std::int64_t bytes) {
  constexpr std::int64_t each = sizeof(std::ranges::range_value_t<Values>);
  HARMOFL_EXPECT(bytes >= 0 && bytes % each == 0);
  values.resize(static_cast<std::size_t>(bytes / each));
  return std::as_writable_bytes(std::span(values));
}

}  // namespace detail

template <Block Values>
void Communicator::broadcast(Values& values) const {
  std::int64_t length = std::ssize(values);
  broadcast_value(length);
  values.resize(static_cast<std::size_t>(length));
  broadcast_bytes(std::as_writable_bytes(std::span(values)));
}

template <Block Values>
std::vector<Values> Communicator::gather_blocks(const Values& own, Receivers receivers) const {
  std::vector<Values> all;
  if (receivers == Receivers::all || is_root()) all.resize(static_cast<std::size_t>(size()));
  gather_bytes(std::as_bytes(std::span(own)), receivers, [&](std::size_t rank, std::int64_t bytes) {
    return detail::resize_bytes(all[rank], bytes);
  });
  return all;
}

template <Block Values>
Values Communicator::transfer(Rank from, Rank to, Values values) const {
  HARMOFL_EXPECT(from.value() >= 0 && from.value() < size());
  HARMOFL_EXPECT(to.value() >= 0 && to.value() < size());
  if (from == to) return rank() == to ? std::move(values) : Values();
  if (rank() == from) send_bytes(to, std::as_bytes(std::span(values)));
  if (rank() != to) return {};
  receive_bytes(from, [&](std::int64_t bytes) { return detail::resize_bytes(values, bytes); });
  return values;
}

template <Plain Value>
std::vector<Value> Communicator::all_gather_value(const Value& own) const {
  std::vector<Value> all(static_cast<std::size_t>(size()));
  all_gather_bytes(std::as_bytes(std::span(&own, 1)), std::as_writable_bytes(std::span(all)));
  return all;
}

/// Version text of the MPI library, one line. Works without a live session too.
std::string mpi_library_version();

}  // namespace harmofl
