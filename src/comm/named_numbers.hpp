// SPDX-License-Identifier: Apache-2.0
/// Numbers that go by name, such as metrics and seconds by phase, from every rank to the root.
#pragma once

#include "comm/communicator.hpp"

#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// name -> number. Ranks need not have the same names.
using NamedNumbers = std::map<std::string, double>;

/// Gives the root every rank's list, by rank, to the bit; others get nothing. Collective.
std::vector<std::vector<NamedNumbers>> gather_named(const std::vector<NamedNumbers>& own,
                                                    const Communicator& comm);

}  // namespace harmofl
