// SPDX-License-Identifier: Apache-2.0
/// Asks a running job to finish its round, save and leave.
#pragma once

namespace harmofl {

/// Turns SIGINT, SIGTERM and SIGUSR1 (which batch systems and mpirun pass on) into a request
/// that `interrupt_requested` reports. A second SIGINT ends the process at once, unsaved (exit code
/// 130).
void install_interrupt_handlers();

/// Tells whether this process was asked to stop.
bool interrupt_requested() noexcept;

}  // namespace harmofl
