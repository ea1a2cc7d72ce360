// SPDX-License-Identifier: Apache-2.0
/// Makes the shard of one site in bounded memory: its source images are decoded by several threads
/// and wait in a spool; then they go into the shard in their order.
///
/// Threads, not processes: the decoders share nothing, and what they decode is written by whoever
/// decoded it. Several processes make several sites (--sites) in one output folder.
#pragma once

#include "harmofl/io/shard.hpp"
#include "prepare/shards/piece.hpp"
#include "prepare/shards/report.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// Thrown when a signal asked to stop.
struct Interrupted {};

/// The source images of a site and what is done with each.
struct SiteJob {
  std::string name;        ///< Of the site.
  std::int64_t count = 0;  ///< Source images.
  std::string unit;        ///< "images", "volumes".
  int threads = 1;         ///< That decode.
  std::string purpose;     ///< What decides the decoded images besides their files, as text.
  /// Files of source image i. Both functions are called by several threads at once.
  std::function<std::vector<std::filesystem::path>(std::int64_t)> files;
  /// Reads source image i. May throw UserError, which ends the work.
  std::function<Decoded(std::int64_t)> decode;
};

/// What is known of a source image whose pieces wait in the spool.
struct Waiting {
  std::int64_t pieces = 0;
  Size size;  ///< Of each piece; all have one, or the work ended.
  Size source_size;
  std::int64_t channels = 0;
  std::optional<std::array<double, 2>> spacing{};
  std::string checksums;
  std::string problem;
};

class SplitFiller;

/// A site whose images are decoded.
class DecodedSite {
 public:
  /// Decodes all that the spool `shard` + ".part" (hidden) does not hold yet of files that are as
  /// they were. Throws UserError for the first image that cannot be used, Interrupted when a signal
  /// asked to stop; what was decoded stays in the spool in both cases.
  DecodedSite(const SiteJob& job, const std::filesystem::path& shard);
  ~DecodedSite();

  const std::vector<Waiting>& waiting() const { return waiting_; }

  /// Checks that all pieces have one size; sets it, the channels and the spacing, where all agree
  /// on it, in `info`. Throws UserError that names the first file that differs.
  void describe(ShardInfo& info) const;

  /// What goes with a piece besides what was decoded: piece k of source image i.
  struct Dealt {
    std::function<Split(std::int64_t i, std::int64_t k)> split;
    std::function<std::string(std::int64_t i)> patient;
  };

  /// Writes the shard and removes the spool. Returns what came out, without source sizes and time.
  ReportRow write(const ShardInfo& info, int deflate, const Dealt& dealt);

 private:
  struct Impl;

  std::int64_t count(Split split, const Dealt& dealt) const;
  /// Adds those pieces of source image i that belong to the split.
  void add_pieces(std::int64_t i, const Dealt& dealt, SplitFiller& filler) const;

  const SiteJob& job_;
  std::filesystem::path shard_;
  std::vector<Waiting> waiting_;
  std::unique_ptr<Impl> impl_;
};

/// Checksums of files, one behind the other; "missing" for one that is not there.
std::string checksums_of(const std::vector<std::filesystem::path>& files);

}  // namespace harmofl::prepare
