// SPDX-License-Identifier: Apache-2.0
// metadata.csv of Camelyon17-WILDS, and how its patches are dealt.
#include "harmofl/base/number_text.hpp"
#include "io/formats/csv.hpp"
#include "prepare/scan/deal.hpp"
#include "prepare/sets/camelyon17.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace harmofl::prepare {
namespace {

constexpr std::size_t most_digits = 8;  ///< Of a patient's number, which names folders.
constexpr std::size_t validation_hospital = 1, test_hospital = 2;  ///< Of WILDS, counted from 0.

/// Takes the fields of a row by the names of their columns.
class MetadataRow {
 public:
  MetadataRow(const std::vector<std::string>& columns, const std::vector<std::string>& fields,
              int line, const std::string& name)
      : columns_(columns), fields_(fields), line_(line), name_(name) {}

  const std::string& text(const char* column) const {
    const auto found = std::find(columns_.begin(), columns_.end(), column);
    HARMOFL_VALIDATE(found != columns_.end(), name_, ": there is no column '", column,
                     "'; found: ", join(columns_),
                     ". Give the metadata.csv of Camelyon17-WILDS 1.0.");
    return fields_[static_cast<std::size_t>(found - columns_.begin())];
  }

  std::int64_t whole(const char* column, WholeRange range) const {
    const auto number = parse_whole(text(column));
    if (!number || !range.holds(*number)) fail(column, range.text());
    return *number;
  }

  [[noreturn]] void fail(const char* column, const std::string& expected) const {
    throw UserError(concat(name_, ":", line_, ": column '", column, "': expected ", expected,
                           ", found '", text(column), "'. Give the table as it is published."));
  }

 private:
  const std::vector<std::string>& columns_;
  const std::vector<std::string>& fields_;
  int line_;
  const std::string& name_;
};

/// Numbers the texts that come, from 0.
class Numbers {
 public:
  std::uint16_t of(const std::string& text, std::vector<std::string>& known,
                   const MetadataRow& row) {
    const auto found = numbers_.find(text);
    if (found != numbers_.end()) return found->second;
    if (known.size() >= std::numeric_limits<std::uint16_t>::max())
      row.fail("patient", "fewer patients");
    const auto number = static_cast<std::uint16_t>(known.size());
    known.push_back(text);
    numbers_[text] = number;
    return number;
  }

 private:
  std::map<std::string, std::uint16_t> numbers_;
};

/// The patient's number as the table writes it: it becomes part of a path.
const std::string& patient_of(const MetadataRow& row) {
  const std::string& text = row.text("patient");
  const bool digits = !text.empty() && text.size() <= most_digits &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) row.fail("patient", "digits such as 004");
  return text;
}

void check_unique(const CamelyonTable& table, const std::vector<Patch>& patches,
                  const std::string& name) {
  std::vector<Patch> sorted = patches;
  std::ranges::sort(sorted);
  const auto same_place = [](const Patch& a, const Patch& b) {
    return a.patient == b.patient && a.node == b.node && a.x == b.x && a.y == b.y;
  };
  const auto twice = std::ranges::adjacent_find(sorted, same_place);
  HARMOFL_VALIDATE(twice == sorted.end(), name, ": the patch '", table.id(*twice),
                   "' comes twice. Give the table as it is published.");
}

/// Units of whole patients, in the order of their first patch, and each patch's unit.
struct Patients {
  std::vector<ClassCounts> counts{};
  std::vector<std::size_t> of_patch{};
};

Patients group_by_patient(const std::vector<Patch>& patches) {
  Patients patients;
  std::map<std::uint16_t, std::size_t> units;
  for (const Patch& patch : patches) {
    const std::size_t unit = units.emplace(patch.patient, units.size()).first->second;
    if (unit == patients.counts.size()) patients.counts.push_back({0, 0});
    ++patients.counts[unit][patch.tumour ? 1 : 0];
    patients.of_patch.push_back(unit);
  }
  return patients;
}

std::vector<Split> deal_by_patient(const std::vector<Patch>& patches, std::size_t hospital,
                                   const std::array<int, 3>& percent, std::uint64_t seed) {
  const Patients patients = group_by_patient(patches);
  RngStream random(seed, RoundId{0}, ClientId{static_cast<std::int64_t>(hospital)},
                   RngPurpose::split);
  const std::vector<Split> dealt = deal_whole(patients.counts, percent, random);
  std::vector<Split> splits;
  for (const std::size_t unit : patients.of_patch) splits.push_back(dealt[unit]);
  return splits;
}

std::vector<Split> deal_as_wilds(const std::vector<Patch>& patches, std::size_t hospital) {
  std::vector<Split> splits;
  for (const Patch& patch : patches) {
    if (hospital == validation_hospital) {
      splits.push_back(Split::val);
    } else if (hospital == test_hospital) {
      splits.push_back(Split::test);
    } else {
      splits.push_back(patch.validation ? Split::val : Split::train);
    }
  }
  return splits;
}

/// Test by whole patients; of the rest, in the order of the table, the last part is val.
std::vector<Split> deal_with_tail(const std::vector<Patch>& patches, std::size_t hospital,
                                  const std::array<int, 3>& percent, std::uint64_t seed) {
  const int learnt = percent[0] + percent[1];
  std::vector<Split> splits = deal_by_patient(patches, hospital, {learnt, 0, percent[2]}, seed);
  const std::int64_t rest = std::ranges::count(splits, Split::train);
  std::int64_t left = learnt == 0 ? 0 : rest * percent[1] / learnt;  // rounded down
  for (auto split = splits.rbegin(); split != splits.rend() && left > 0; ++split) {
    if (*split != Split::train) continue;
    *split = Split::val;
    --left;
  }
  return splits;
}

}  // namespace

std::string CamelyonTable::id(const Patch& patch) const {
  return concat("patch_patient_", patients.at(patch.patient), "_node_", patch.node, "_x_", patch.x,
                "_y_", patch.y);
}

std::filesystem::path CamelyonTable::file(const Patch& patch) const {
  return std::filesystem::path("patches") /
         concat("patient_", patients.at(patch.patient), "_node_", patch.node) /
         (id(patch) + ".png");
}

CamelyonTable parse_camelyon_table(std::string_view text, const std::string& name) {
  constexpr std::int64_t most_nodes = 999, most_pixels = 10'000'000;
  CamelyonTable table;
  Numbers numbers;
  take_csv_rows(text, name, [&](const auto& columns, const auto& fields, int line) {
    const MetadataRow row(columns, fields, line, name);
    Patch patch;
    patch.patient = numbers.of(patient_of(row), table.patients, row);
    patch.node = static_cast<std::uint16_t>(row.whole("node", {0, most_nodes}));
    patch.x = static_cast<std::int32_t>(row.whole("x_coord", {0, most_pixels}));
    patch.y = static_cast<std::int32_t>(row.whole("y_coord", {0, most_pixels}));
    patch.tumour = row.whole("tumor", {0, 1}) == 1;
    patch.validation = row.whole("split", {0, 1}) == 1;
    const auto hospital = row.whole("center", {0, std::int64_t{hospital_count} - 1});
    table.hospitals[static_cast<std::size_t>(hospital)].push_back(patch);
  });
  for (const auto& patches : table.hospitals) check_unique(table, patches, name);
  return table;
}

std::vector<Split> deal_patches(const CamelyonTable& table, std::size_t hospital,
                                const CamelyonOptions& options) {
  const std::vector<Patch>& patches = table.hospitals.at(hospital);
  const auto& percent = options.set.percent;
  if (options.split == CamelyonSplit::wilds) return deal_as_wilds(patches, hospital);
  if (options.split == CamelyonSplit::patient) {
    return deal_by_patient(patches, hospital, percent, options.set.seed);
  }
  return deal_with_tail(patches, hospital, percent, options.set.seed);
}

}  // namespace harmofl::prepare
