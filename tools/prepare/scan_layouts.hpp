// SPDX-License-Identifier: Apache-2.0
/// The layouts that `scan` understands. Private to scanning.
#pragma once

#include "prepare/scan.hpp"

namespace harmofl::prepare {

/// What ends the name of a mask: <id>_mask.png belongs to <id>.png.
inline constexpr const char* mask_ending = "_mask.png";

/// Reads `<site>/<id>.png` with `<id>_mask.png`, or `<site>/<class>/<id>.png`. Sets task and sites.
Sources scan_folders(const Options& options);

/// Reads a CSV list. Sets task and sites.
Sources scan_list(const Options& options);

}  // namespace harmofl::prepare
