// SPDX-License-Identifier: Apache-2.0
/// Checkpoints: named float tensors in HDF5, written atomically and checksummed
/// (docs/checkpoint-format.md).
///
/// A dataset is `/<group>/<name>`, in `/model` by PyTorch's name; attribute `index` gives the order
/// in a group, `role` is "parameter", "buffer" or "". h5py opens it.
#pragma once

#include "harmofl/io/named_tensor.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace harmofl {

/// Names of a checkpoint's groups.
namespace checkpoint_groups {
inline constexpr const char* model = "model";    ///< The global model.
inline constexpr const char* server = "server";  ///< What the method keeps at the server.
inline constexpr const char* clients =
    "clients";  ///< A group for each client that keeps something.
std::string of_client(const std::string& site);
}  // namespace checkpoint_groups

/// Facts of a checkpoint that are not tensors; string, integer and floating attributes of the root.
struct CheckpointInfo {
  std::int64_t rounds_done = 0;  ///< Rounds finished, hence the next round's index.
  std::string algorithm;         ///< Name of the method.
  std::string config;            ///< Resolved configuration of the run, INI.
  std::string state;             ///< The simulation's scalar state (best round and such), JSON.
};

/// Writes one checkpoint; the file appears whole at `commit` or not at all.
class CheckpointWriter {
 public:
  CheckpointWriter(std::filesystem::path path, const CheckpointInfo& info);
  ~CheckpointWriter();

  /// Adds tensors under `group`, one of checkpoint_groups; each with an XXH3 checksum attribute.
  /// Memory does not grow with what was written before. That the disk is full is said by `flush`,
  /// so that one rank can write while others send to it.
  void write(const std::string& group, const std::vector<NamedTensor>& tensors);

  /// Writes the file, under its temporary name, so that `commit` only has to rename it. Nothing can
  /// be added after it. Throws UserError naming the file when the disk is full.
  void flush();

  /// Flushes unless that was done, and puts the file in place.
  void commit();

  std::int64_t rounds_done() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads and verifies a checkpoint. Damage is a UserError that names file, tensor and remedy.
class CheckpointReader {
 public:
  explicit CheckpointReader(std::filesystem::path path);

  /// Reads all of a checkpoint and holds it against the checksum at its end, before HDF5 looks at
  /// it; where there is none (older files, files that h5py changed) against those of all tensors of
  /// all groups. Throws UserError unless a run can go on from it.
  static void verify(const std::filesystem::path& path);
  ~CheckpointReader();

  const CheckpointInfo& info() const;

  /// Tensors of `group`, in the order of their `index`, checksums verified; empty when the group
  /// is not there. With `wanted` only those whose names it accepts; no others are read.
  std::vector<NamedTensor> read(const std::string& group,
                                const std::function<bool(const std::string&)>& wanted = {}) const;

  /// Names of the sub-groups of `group`: the sites under `checkpoint_groups::clients`.
  std::vector<std::string> groups(const std::string& group) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace harmofl
