// SPDX-License-Identifier: Apache-2.0
/// What the clients of a rank keep between rounds: in memory up to a budget, the rest in a file.
#pragma once

#include "harmofl/base/ids.hpp"
#include "harmofl/fl/named_state.hpp"
#include "io/scratch_file.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>

namespace harmofl {

struct StateOptions {
  std::int64_t memory_bytes = 0;  ///< Limit for the states of all clients of a rank; 0 means none.
  std::filesystem::path
      scratch;  ///< Folder of what does not fit; empty: the system's temporary one.
};

/// The states of the clients that this rank hosts. Every client has one; it is empty at first.
///
/// Clients are visited in the same order every round, so what does not fit is the state that was
/// just used: those that came first stay in memory, and only the rest is read and written.
class ClientStates {
 public:
  ClientStates(StateOptions options, torch::Device device);

  /// Makes the file where there is a limit, before any state needs it. Throws UserError, naming the
  /// folder, where that cannot be.
  void open_scratch();

  /// Calls `work` with the state of a client, in memory; afterwards it may go to the file.
  void with(ClientId client, const std::function<void(NamedState&)>& work);

  /// The state of a client, in memory until it is closed. Those of several clients may be open at
  /// a time, and used by a thread each; `open` and `close` are called by one at a time.
  NamedState& open(ClientId client) { return bring(client); }
  /// Afterwards the state may go to the file.
  void close(ClientId client) { settle(client); }

  /// Removes a client's state and returns it, to give it to another rank.
  NamedState extract(ClientId client);
  /// Gives a client a state.
  void put(ClientId client, NamedState state);

  std::int64_t memory_bytes() const { return memory_bytes_; }
  /// Size of the file; 0 while everything fits.
  std::int64_t file_bytes() const { return file_ ? file_->size_bytes() : 0; }

 private:
  NamedState& bring(ClientId client);
  void settle(ClientId client);

  StateOptions options_;
  torch::Device device_;
  struct Held {
    NamedState state;
    std::int64_t bytes = 0;
  };
  std::map<ClientId, Held> held_;  ///< States in memory that are not empty.
  std::unique_ptr<ScratchFile>
      file_;  ///< File for states beyond the limit; null until it is opened or used.
  std::int64_t memory_bytes_ = 0;
};

}  // namespace harmofl
