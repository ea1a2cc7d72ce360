// SPDX-License-Identifier: Apache-2.0
/// Threads that read the samples of the next batches while the present one is used.
#pragma once

#include "harmofl/data/client_data.hpp"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace harmofl {

/// How far the threads are ahead of who takes the batches.
struct ReadAhead {
  std::int64_t threads = 2;                     ///< One reads on while another waits for the disk.
  std::int64_t bytes = std::int64_t{16} << 20;  ///< As many batches as this holds,
  std::int64_t least = 2;                       ///< but not fewer, nor more than these:
  std::int64_t most = 32;  ///< small batches are cheap, and a thread that sleeps wakes up late.
};

/// Bytes that a reader of so many batches holds.
std::int64_t read_ahead_bytes(const SampleSource& source, std::int64_t batch_size,
                              std::int64_t batches, const ReadAhead& ahead = {});

/// Reads samples in a given order, a batch at a time, in bounded memory.
class BlockReader {
 public:
  /// Begins to read at once: those at the positions `order`, `batch_size` at a time.
  BlockReader(std::shared_ptr<const SampleSource> source, std::vector<std::int64_t> order,
              std::int64_t batch_size, ReadAhead ahead = {});
  ~BlockReader();
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;

  /// The samples of the next batch, for which it waits; there must be one. They stay until the next
  /// call. Throws what reading them threw.
  const SampleBlock& next();

 private:
  struct Slot {
    SampleBlock block;
    bool ready = false;
    std::exception_ptr error = {};
  };

  void work();
  void read(std::int64_t batch);
  std::span<const std::int64_t> rows_of(std::int64_t batch) const;
  Slot& slot(std::int64_t batch);

  std::shared_ptr<const SampleSource> source_;
  std::vector<std::int64_t> order_;
  std::int64_t batch_size_;
  std::int64_t batches_;
  std::vector<Slot> slots_;  ///< Batch i lies in slot i modulo their number.
  std::mutex mutex_;         ///< Of what follows, and of the slots' `ready` and `error`.
  std::condition_variable filled_, freed_;
  std::int64_t claimed_ = 0;  ///< Batches that a thread reads or has read.
  std::int64_t taken_ = 0;    ///< Batches that were given out, the present one included.
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace harmofl
