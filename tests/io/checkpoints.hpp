// SPDX-License-Identifier: Apache-2.0
/// Small checkpoints for the tests of io.
#pragma once

#include "io/checkpoint/checkpoint.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace harmofl::test {

/// A checkpoint after so many rounds that is not yet in place.
inline std::unique_ptr<CheckpointWriter> checkpoint_writer(const std::filesystem::path& path,
                                                           std::int64_t rounds) {
  auto writer =
      std::make_unique<CheckpointWriter>(path, CheckpointInfo{rounds, "fedavg", "", "{}"});
  writer->write("model", {{"weight", "parameter", {2}, {1.0F, static_cast<float>(rounds)}}});
  return writer;
}

/// Rounds of the checkpoint at `path`, all of which is verified.
inline std::int64_t verified_rounds(const std::filesystem::path& path) {
  return CheckpointReader(path).info().rounds_done;
}

inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

}  // namespace harmofl::test
