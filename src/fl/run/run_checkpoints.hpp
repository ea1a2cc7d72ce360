// SPDX-License-Identifier: Apache-2.0
/// The checkpoints of a run: what it goes on from, its best model, its initial one.
#pragma once

#include "comm/communicator.hpp"
#include "fl/clients/federation.hpp"
#include "fl/clients/hosting.hpp"
#include "fl/record/run_log.hpp"
#include "fl/run/run_state.hpp"
#include "io/checkpoint/run_folder.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

struct CheckpointOptions {
  std::string algorithm;  ///< Name of the method.
  std::string config;     ///< Resolved configuration, kept in every checkpoint.
  std::int64_t keep = 2;  ///< Checkpoints that the run folder holds, the newest included.
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

  /// Makes the run that of a checkpoint. Throws UserError unless it is one of the same method and
  /// clients.
  void resume(const std::filesystem::path& checkpoint);

 private:
  void write(const std::filesystem::path& path, bool whole);
  std::string facts(bool whole) const;
  void read_run(const std::filesystem::path& checkpoint, std::vector<Rank>& placement);
  void read_clients(const std::filesystem::path& checkpoint);
  void check_clients(const std::vector<std::string>& known,
                     const std::filesystem::path& checkpoint) const;

  const Communicator& comm_;
  CheckpointOptions options_;
  const Federation& federation_;
  const RunFolder* folder_;
  RunState& state_;
  Hosting& hosting_;
  RunLog& log_;
};

}  // namespace harmofl
