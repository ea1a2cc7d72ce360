// SPDX-License-Identifier: Apache-2.0
/// The ranks that a test runs on.
#pragma once

#include "comm/communicator.hpp"

namespace harmofl::test {

/// All ranks of this run: those of mpirun, or one serial rank without it. Valid inside tests.
const Communicator& world();

}  // namespace harmofl::test
