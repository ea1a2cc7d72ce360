// SPDX-License-Identifier: Apache-2.0
/// Makes shards of the rows of a table.
#pragma once

#include "harmofl/base/error.hpp"
#include "prepare/tables/tabular_options.hpp"

#include <ostream>

namespace harmofl::prepare {

/// Makes one shard a site and writes a list of them to `report`. Shards that are there and came of
/// the same table and options are kept; others stop the program unless `options.overwrite`.
ExitCode convert_table(const TabularOptions& options, std::ostream& report);

}  // namespace harmofl::prepare
