// SPDX-License-Identifier: Apache-2.0
/// Shards: the preprocessed images of one site, in one HDF5 file (docs/shard-format.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

enum class Task { classification, segmentation };
enum class PixelType { uint8, float32 };
enum class Split { train, val, test };

inline constexpr std::array<Split, 3> all_splits{Split::train, Split::val, Split::test};

std::string_view to_string(Task task);
std::string_view to_string(PixelType type);
std::string_view to_string(Split split);

/// Size of one element of an image, in bytes.
std::size_t size_bytes(PixelType type);

/// What holds for every image of a shard: the root attributes of the file.
struct ShardInfo {
  std::string site;                      ///< Name of the site, unique in a federation.
  Task task = Task::segmentation;        ///< Decides whether `labels` or `masks` are stored.
  std::vector<std::string> class_names;  ///< One a class; index is the label.
  PixelType pixel_type = PixelType::uint8;
  std::int64_t channels = 3;
  std::int64_t height = 0;
  std::int64_t width = 0;
  double intensity_scale = 255.0;  ///< The network sees value / intensity_scale.
  std::string preprocessing;       ///< How the images were made, as JSON.
  std::string source_checksum;     ///< Checksum over the source files, "" when synthetic.
  /// Millimetres from pixel to pixel, down the rows and along the columns; none when not known.
  std::optional<std::array<double, 2>> spacing{};

  std::int64_t pixels() const { return height * width; }
  std::int64_t values_per_image() const { return channels * pixels(); }
};

/// The samples of one split, in memory.
struct SplitData {
  std::vector<std::byte> images;      ///< [N, C, H, W], of the shard's pixel type.
  std::vector<std::int64_t> labels;   ///< [N]; empty for segmentation.
  std::vector<std::uint8_t> masks;    ///< [N, H, W], class indices; empty for classification.
  std::vector<std::string> ids;       ///< [N], names of the source images.
  std::vector<std::string> groups{};  ///< [N], patients, "" is nobody; empty when none is known.

  std::int64_t count() const { return static_cast<std::int64_t>(ids.size()); }
};

/// Writes one shard; the file appears whole at `commit` or not at all.
class ShardWriter {
 public:
  /// `deflate` is the compression level, 0 (none) to 9. Throws UserError for an invalid `info`.
  ShardWriter(std::filesystem::path path, ShardInfo info, int deflate = 0);
  ~ShardWriter();

  /// Writes one split, once each. Throws UserError unless sizes agree with the shard's info.
  void write(Split split, const SplitData& data);

  /// Starts a split of `count` samples, once each, which `append` then adds: the file gets the same
  /// bytes as by `write`, and never more than one part of the split is in memory.
  void begin(Split split, std::int64_t count);

  /// Adds the next samples to the split that was begun last; the last one ends it. Masks wait in a
  /// scratch file beside the shard until then. Throws UserError unless sizes agree with the shard's
  /// info, and when there are more samples than begun with.
  void append(const SplitData& samples);

  /// Writes splits not given as empty ones, syncs and renames the file into place. Throws UserError
  /// when a split has fewer samples than it was begun with.
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads one shard. Every violation of the format is a UserError that names file, dataset,
/// what was expected and what was found. Not for use by several threads at once.
class ShardReader {
 public:
  /// Opens `path` and checks all attributes, shapes and types; pixels are not read yet.
  explicit ShardReader(std::filesystem::path path);
  ~ShardReader();
  ShardReader(ShardReader&&) noexcept;
  ShardReader& operator=(ShardReader&&) noexcept;

  const std::filesystem::path& path() const;
  const ShardInfo& info() const;

  /// Number of samples of a split.
  std::int64_t count(Split split) const;

  /// Names of a split's samples, as in SplitData.
  const std::vector<std::string>& ids(Split split) const;

  /// Patients of a split's samples, as in SplitData.
  const std::vector<std::string>& groups(Split split) const;

  /// Reads and verifies a split's labels, once; empty for segmentation. Costs no read of pixels.
  std::vector<std::int64_t> labels(Split split) const;

  /// Checksum of a split's images and targets as stored at writing; costs no read of the data.
  std::string stored_checksum(Split split) const;

  /// Reads a split and verifies it: checksums, finite pixels, labels within the classes.
  /// `max_samples` >= 0 reads (and verifies) only the first `max_samples` samples; the whole-split
  /// checksum is then not verified (HDF5's own Fletcher-32 still is).
  SplitData read(Split split, std::int64_t max_samples = -1) const;

  /// Reads and verifies the samples in `rows`, which must ascend, and no other pixels. Damage is
  /// found by Fletcher-32, and by the whole-split checksum when all rows are asked for.
  SplitData read_rows(Split split, const std::vector<std::int64_t>& rows) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Lists the shards of a folder (`*.h5`, hidden ones left out), sorted by name. Throws UserError
/// when there are none, and for a name of a shard where no file can be read: a folder, a FIFO, a
/// link to nothing.
std::vector<std::filesystem::path> list_shards(const std::filesystem::path& folder);

}  // namespace harmofl
