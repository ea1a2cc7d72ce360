// SPDX-License-Identifier: Apache-2.0
/// Runs that leave files, in a temporary folder that all ranks of a test use.
#pragma once

#include "fl/run/run_input.hpp"
#include "fl/small_federation.hpp"
#include "io/checkpoint/run_folder.hpp"
#include "support/temp_folder.hpp"
#include "support/world.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace harmofl::test {

/// A folder that the root makes and every rank knows.
class SharedFolder {
 public:
  SharedFolder() {
    if (world().is_root()) owned_.emplace();
    std::string text = world().is_root() ? owned_->path().string() : "";
    world().broadcast(text);
    path_ = text;
  }
  /// Nobody still reads when the root takes it away.
  ~SharedFolder() { world().barrier(); }

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::optional<test::TempFolder> owned_;
  std::filesystem::path path_;
};

/// Runs three unequal sites in `folder`, which the root writes, going on from the checkpoint there
/// if `resume`. Collective over `comm`.
inline Ending run_in(const std::filesystem::path& folder, const Communicator& comm,
                     const SimulationOptions& options, bool resume) {
  const SmallFederation small = unequal_sites(3);
  std::optional<RunFolder> run_folder;
  if (comm.is_root()) run_folder.emplace(folder, resume);
  Simulation simulation(comm, options, small.federation(), small.loader(), torch::kCPU,
                        run_folder ? &*run_folder : nullptr);
  if (resume) simulation.resume(open_checkpoint(folder / "checkpoint.h5", comm));
  simulation.run();
  return ending_of(simulation);
}

}  // namespace harmofl::test
