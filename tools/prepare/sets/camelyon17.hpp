// SPDX-License-Identifier: Apache-2.0
/// Camelyon17-WILDS 1.0: patches of tissue of five hospitals, tumour or not
/// (datasets/camelyon17.md).
#pragma once

#include "harmofl/base/error.hpp"
#include "prepare/sets/set_options.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl::prepare {

/// A row of metadata.csv. The table has half a million: a row has no text of its own.
struct Patch {
  std::uint16_t patient = 0;  ///< Position in CamelyonTable::patients.
  std::uint16_t node = 0;
  std::int32_t x = 0;
  std::int32_t y = 0;
  bool tumour = false;
  bool validation =
      false;  ///< Column `split`: 0 train, 1 validation within the hospitals of train.

  auto operator<=>(const Patch&) const = default;
};

inline constexpr std::size_t hospital_count = 5;

/// metadata.csv, by hospital, in the order of its rows.
struct CamelyonTable {
  std::vector<std::string> patients{};  ///< As the table writes them, "004".
  std::array<std::vector<Patch>, hospital_count> hospitals{};

  /// "patch_patient_004_node_4_x_3328_y_21792", and its file below the folder of the set.
  std::string id(const Patch& patch) const;
  std::filesystem::path file(const Patch& patch) const;
};

/// Parses metadata.csv; `name` is the file's name in errors. Throws UserError, with the line, for a
/// column that is missing, a value out of range, and a patch that comes twice.
CamelyonTable parse_camelyon_table(std::string_view text, const std::string& name);

/// The split of each patch of a hospital.
std::vector<Split> deal_patches(const CamelyonTable& table, std::size_t hospital,
                                const CamelyonOptions& options);

/// Makes the shards and writes a table of them to `report`. Throws UserError when more patches are
/// missing or damaged than options.allow_missing; OUTPUT/<site>_missing.csv lists them.
ExitCode convert_camelyon17(const CamelyonOptions& options, std::ostream& report);

}  // namespace harmofl::prepare
