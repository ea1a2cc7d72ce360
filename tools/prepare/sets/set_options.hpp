// SPDX-License-Identifier: Apache-2.0
/// The command lines of the subcommands that convert one published set each.
#pragma once

#include "prepare/images/options.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// What the subcommands of sets share.
struct SetOptions {
  std::filesystem::path input{};           ///< Folder of the set as it is published.
  std::filesystem::path output{};          ///< Folder for the shards; made when missing.
  std::array<int, 3> percent{64, 16, 20};  ///< Shares of train, val and test.
  std::uint64_t seed = 0;                  ///< Seed of what is drawn.
  int deflate = 0;                         ///< Compression level of the shard.
  int jobs = 1;                            ///< Threads that decode.
  std::vector<std::string> sites{};        ///< Only these; all when empty.
  bool overwrite = false;                  ///< Replace shards that are there.
};

/// How the patches of Camelyon17 are dealt.
enum class CamelyonSplit { wilds, patient, tail };

std::string to_string(CamelyonSplit split);

/// What `harmofl-prepare camelyon17` was asked to do.
struct CamelyonOptions {
  SetOptions set{};
  CamelyonSplit split = CamelyonSplit::wilds;
  std::int64_t allow_missing = 0;  ///< Most patches that may be missing or damaged, of all sites.
};

/// What `harmofl-prepare prostate` was asked to do.
struct ProstateOptions {
  SetOptions set{};
  Size size{384, 384};     ///< Of each stored slice.
  bool by_patient = true;  ///< Else slices are dealt, as published.
};

/// Parse the arguments after the subcommand. `help` gets the help text, and then nothing else
/// counts, where that was asked for. Throw UsageError.
CamelyonOptions parse_camelyon17(const std::vector<std::string>& arguments, std::string& help);
ProstateOptions parse_prostate(const std::vector<std::string>& arguments, std::string& help);

}  // namespace harmofl::prepare
