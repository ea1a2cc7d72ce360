// SPDX-License-Identifier: Apache-2.0
/// The checkpoints of a run: what it goes on from, its best model, its initial one.
#pragma once

#include "comm/communicator.hpp"
#include "fl/clients/federation.hpp"
#include "fl/clients/hosting.hpp"
#include "fl/record/run_log.hpp"
#include "fl/run/kept_tensors.hpp"
#include "fl/run/run_facts.hpp"
#include "fl/run/run_state.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/checkpoint/run_folder.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

struct CheckpointOptions {
  std::string algorithm;  ///< Name of the method.
  std::string config;     ///< Resolved configuration, kept in every checkpoint.
  std::int64_t keep = 2;  ///< Checkpoints that the run folder holds, the newest included.
  BufferPolicy buffers = BufferPolicy::average;
  OptimizerOptions optimizer = {};
  bool accept_changed_data = false;               ///< Go on with other data than those before.
  std::shared_ptr<const ScriptFile> script = {};  ///< The network, where it is the user's own.
};

/// Writes a run to its folder and reads it back. Every function is collective. All references must
/// outlive this object.
class RunCheckpoints {
 public:
  /// `folder` is null on all ranks but the root, and on the root too if nothing is to be written:
  /// then nothing is.
  RunCheckpoints(const Communicator& comm, CheckpointOptions options, const Federation& federation,
                 const RunFolder* folder, RunState& state, Hosting& hosting, RunLog& log);

  /// Writes all that is needed to go on to `checkpoint.h5`.
  void save();
  /// Writes the model, and what clients have of their own to be evaluated with, to `best.h5`.
  void save_best();
  /// Writes the model as it stands to `initial.h5`.
  void save_initial();

  /// Makes the run that of a checkpoint, which is open on every rank. Throws UserError unless it is
  /// one of the same method, clients and data, and holds what that method keeps for this model.
  /// Where other data are accepted, it records what has changed.
  void resume(const CheckpointReader& checkpoint);

 private:
  void write(const std::filesystem::path& path, bool whole);
  RunFacts facts(bool whole) const;
  void read_run(const CheckpointReader& checkpoint, const RunFacts& facts,
                std::vector<Rank>& placement);
  void read_root(const CheckpointReader& checkpoint);
  void read_clients(const CheckpointReader& checkpoint);
  KeptShapes kept_with_clients() const;
  void check_clients(const std::vector<std::string>& known,
                     const std::filesystem::path& path) const;
  void check_script(const CheckpointReader& checkpoint) const;
  void check_data(const RunProgress& progress, const CheckpointReader& checkpoint);

  const Communicator& comm_;
  CheckpointOptions options_;
  std::optional<StoredScript> script_;  ///< Kept in every checkpoint. Where the folder is alone.
  const Federation& federation_;
  const RunFolder* folder_;
  RunState& state_;
  Hosting& hosting_;
  RunLog& log_;
};

}  // namespace harmofl
