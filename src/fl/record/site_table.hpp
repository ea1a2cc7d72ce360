// SPDX-License-Identifier: Apache-2.0
/// The best round, site by site, for people.
#pragma once

#include "fl/record/run_log.hpp"

#include <cstddef>
#include <string>

namespace harmofl {

/// A line a site with every measure of val and test of the best round, then mean and standard
/// deviation over sites; "" when no round was validated. Of more than `most` sites the first ones.
std::string site_table(const RunLogState& state, std::size_t most = 32);

}  // namespace harmofl
