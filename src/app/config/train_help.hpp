// SPDX-License-Identifier: Apache-2.0
/// The text of `harmofl train --help`.
#pragma once

#include <string>

namespace harmofl {

/// Every key of the table: those that a first run needs, then the others by section. Lines of at
/// most 100 columns.
std::string train_help();

}  // namespace harmofl
