// SPDX-License-Identifier: Apache-2.0
/// Asks a running job to finish its round, save and leave.
#pragma once

namespace harmofl {

/// Turns SIGINT, SIGTERM, SIGUSR1 (which batch systems and mpirun pass on) and SIGHUP (of a
/// terminal that is closed) into a request that `interrupt_requested` reports. A second SIGINT ends
/// the process at once, unsaved (exit code 130). SIGHUP stays ignored where it is, as under nohup.
void install_interrupt_handlers();

/// Lets a write fail, as on a full disk, that would end the process by a signal: beyond the limit
/// of a file's size (SIGXFSZ, ulimit -f), or to a pipe that nobody reads any more (SIGPIPE), as
/// which the log of a run may go on for hours.
void let_writes_fail();

/// Tells whether this process was asked to stop.
bool interrupt_requested() noexcept;

}  // namespace harmofl
