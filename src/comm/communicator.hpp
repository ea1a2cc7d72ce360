// SPDX-License-Identifier: Apache-2.0
/// Processes that work together. The MPI library is seen by this layer alone.
#pragma once

#include "harmofl/base/error.hpp"
#include "harmofl/base/ids.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
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

  /// Sends at most `elements` elements a message from now on (2^30 unless called). Longer buffers
  /// go in pieces, so the tests use it to see the pieces. Expects the same value on every rank.
  void limit_messages(std::int64_t elements);

  void barrier() const;

  /// Adds `buffer` over all ranks, in place; longer than 2^31 elements too.
  void all_reduce_sum(std::span<float> buffer) const;
  void all_reduce_sum(std::span<double> buffer) const;
  void all_reduce_sum(std::span<std::int64_t> buffer) const;
  /// Largest over all ranks, element by element, in place. NaN anywhere gives NaN.
  void all_reduce_max(std::span<double> buffer) const;

  /// Makes every rank's `bytes` those of the root.
  void broadcast(std::string& bytes) const;
  /// Gives the root every rank's `bytes`, by rank; others get nothing.
  std::vector<std::string> gather(const std::string& bytes) const;
  /// Gives every rank every rank's `bytes`, by rank.
  std::vector<std::string> all_gather(const std::string& bytes) const;
  /// Gives rank `to` the `bytes` of rank `from`, others get nothing; the only ranks that need to
  /// call are those two. Several transfers meet when all ranks make theirs in one order.
  std::string transfer(Rank from, Rank to, std::string bytes) const;

  /// True everywhere when `value` is true on any rank.
  bool any(bool value) const;

  /// Runs `work` on every rank; if it throws anywhere, every rank throws the error of the lowest
  /// such rank, with its exit code and its text ("rank N: " before it, unless all ranks failed
  /// with the same text). Use it for work that can fail on one rank only (opening files); work
  /// that itself communicates must not be in it.
  void agree(const std::function<void()>& work) const;

 private:
  struct Impl;
  explicit Communicator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Version text of the MPI library, one line. Works without a live session too.
std::string mpi_library_version();

}  // namespace harmofl
