// SPDX-License-Identifier: Apache-2.0
/// Makes the shards.
#pragma once

#include "harmofl/base/error.hpp"
#include "prepare/images/options.hpp"
#include "prepare/scan/scan.hpp"

#include <ostream>
#include <string>

namespace harmofl::prepare {

/// What decides the content of the shards besides the source images, as JSON with sorted keys; goes
/// into each shard.
std::string describe_preprocessing(const Options& options, Task task);

/// Makes one shard a site and writes a table of them to `report`. Shards that are there and came of
/// the same sources and options are kept; others stop the program unless `options.overwrite`.
/// Returns ExitCode::interrupted when a signal asked to stop: finished shards stay.
ExitCode convert(const Options& options, std::ostream& report);

}  // namespace harmofl::prepare
