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
#include <optional>
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

/// A network that is none of this program's own, as TorchScript.
struct StoredScript {
  std::string code;             ///< The archive without weights, bytes.
  std::string source_checksum;  ///< Checksum of the file that it is of.
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

  /// Adds the network of the model, once.
  void write_script(const StoredScript& script);

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

/// Reads a checkpoint. Damage is a UserError that names file, tensor and remedy.
class CheckpointReader {
 public:
  /// Opens a checkpoint after holding all of it against the checksum at its end, before HDF5 looks
  /// at it; where there is none (older files, files that h5py changed), after holding all tensors
  /// of all groups against theirs. Throws UnreadableFile (io/input_file.hpp) when it cannot be
  /// read, else UserError unless it is intact.
  explicit CheckpointReader(const std::filesystem::path& path);

  /// Opens a checkpoint that another rank of this job has just opened as above, so that not every
  /// rank reads all of it. Each tensor's own checksum is verified when it is read.
  static CheckpointReader verified_elsewhere(const std::filesystem::path& path);

  /// Whether a file ends as a checkpoint does, intact or not; HDF5 does not look at it. Throws
  /// UnreadableFile.
  static bool has_seal(const std::filesystem::path& path);

  /// Rounds that a checkpoint says it is of, which is verified no further; nothing where there is
  /// none to be read. For a file that this process wrote or verified itself.
  static std::optional<std::int64_t> claimed_rounds(const std::filesystem::path& path);

  CheckpointReader(CheckpointReader&& other) noexcept;
  CheckpointReader& operator=(CheckpointReader&& other) noexcept;
  ~CheckpointReader();

  const std::filesystem::path& path() const;
  const CheckpointInfo& info() const;

  /// Tensors of `group`, in the order of their `index`, checksums verified; empty when the group
  /// is not there. With `wanted` only those whose names it accepts; no others are read. Throws
  /// UserError, before it takes memory, when they claim more than the file or this machine's memory
  /// holds.
  std::vector<NamedTensor> read(const std::string& group,
                                const std::function<bool(const std::string&)>& wanted = {}) const;

  /// The network of the model; nothing where it is one of this program. Throws UserError where it
  /// is damaged.
  std::optional<StoredScript> script() const;

  /// Names of the sub-groups of `group`: the sites under `checkpoint_groups::clients`.
  std::vector<std::string> groups(const std::string& group) const;

 private:
  struct Impl;

  explicit CheckpointReader(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace harmofl
