// SPDX-License-Identifier: Apache-2.0
/// Gathers the fingerprints of a round from all ranks and writes them down, `run.fingerprints`.
#pragma once

#include "comm/communicator.hpp"
#include "fl/clients/federation.hpp"
#include "fl/record/fingerprints.hpp"
#include "harmofl/base/ids.hpp"
#include "io/checkpoint/run_folder.hpp"

#include <torch/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace harmofl {

/// One on every rank. What is the same on all of them is hashed on the root alone. The line of a
/// round is the same bytes on any number of ranks and lanes where the run's bits are.
class FingerprintLog {
 public:
  /// `folder` is null on all ranks but the root, and on the root too if nothing is to be written.
  /// All must outlive this object; `slots` is the layout of the model's state.
  FingerprintLog(const Communicator& comm, const Federation& federation, const RunFolder* folder,
                 const std::vector<Slot>& slots);

  /// A round begins from the global model `state`, float32 [N].
  void begin(RoundId round, const torch::Tensor& state);
  /// A client of this rank has trained. By one thread at a time.
  void add(ClientId client, ClientFingerprints found) { own_[client] = std::move(found); }
  /// The clients' updates were averaged to `state`, float32 [N], before the server's step.
  void take_average(const torch::Tensor& state);
  /// The round ended with the global model `state`; the updates of `counted`, ascending, are in it.
  /// Appends its line to `fingerprints.jsonl`. Collective.
  void end(const torch::Tensor& state, const NamedState& server,
           const std::vector<ClientId>& counted);

  /// The last round that has ended. On the root alone.
  const RoundFingerprints& last() const { return round_; }

 private:
  std::vector<std::string> hashes_of(const torch::Tensor& state) const;
  void gather(const std::vector<ClientId>& counted);

  const Communicator& comm_;
  const Federation& federation_;
  const RunFolder* folder_;
  const std::vector<Slot>& slots_;
  std::map<ClientId, ClientFingerprints> own_;
  RoundFingerprints round_;
};

}  // namespace harmofl
