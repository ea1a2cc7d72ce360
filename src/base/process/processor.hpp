// SPDX-License-Identifier: Apache-2.0
/// The kind of processor that a process runs on.
#pragma once

#include <istream>
#include <string>

namespace harmofl {

/// The first "model name" of a text like /proc/cpuinfo, without control characters; "" where it has
/// none.
std::string processor_model(std::istream& cpuinfo);

/// That of this machine.
std::string processor_model();

}  // namespace harmofl
