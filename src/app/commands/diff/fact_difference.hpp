// SPDX-License-Identifier: Apache-2.0
/// How two runs were set up: configuration and provenance, side by side.
#pragma once

#include "io/formats/json.hpp"

#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// A fact in which two runs differ.
struct FactDifference {
  std::string name;  ///< "train.lr", "library torch".
  std::string a;     ///< "" where the run has no such fact.
  std::string b;
  bool matters = true;  ///< Whether it can change what a round computes.

  bool operator==(const FactDifference&) const = default;
};

/// Values by key, as "train.lr".
using ConfigValues = std::map<std::string, std::string>;

/// The values of an INI text, of any version: keys need not be known. Throws UserError naming
/// `origin` where it is none.
ConfigValues ini_values(const std::string& text, const std::string& origin);

/// The keys that differ, in the order of the documentation, unknown ones last. A key that one of
/// both lacks, since it is newer than that run, has its default there; "0.10" is "0.1".
std::vector<FactDifference> config_differences(const ConfigValues& a, const ConfigValues& b);

/// Whether two configurations sum such that neither ranks nor placement change a bit.
bool both_exact(const ConfigValues& a, const ConfigValues& b);

/// What differs between the `run.json` of two runs: data, program, libraries, machine. Neither
/// times nor process ids count. With `exact` neither do ranks. Throws UserError for what no run
/// writes.
std::vector<FactDifference> provenance_differences(const JsonValue& a, const JsonValue& b,
                                                   bool exact);

}  // namespace harmofl
