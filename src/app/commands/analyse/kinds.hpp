// SPDX-License-Identifier: Apache-2.0
/// The kinds of `harmofl analyse`: each collective, its arguments without its own name.
#pragma once

#include "app/commands/commands.hpp"

namespace harmofl {

ExitCode analyse_drift(const Arguments& arguments, const Communicator& comm);
ExitCode analyse_flatness(const Arguments& arguments, const Communicator& comm);
ExitCode analyse_surface(const Arguments& arguments, const Communicator& comm);
ExitCode analyse_spectra(const Arguments& arguments, const Communicator& comm);
ExitCode analyse_gradients(const Arguments& arguments, const Communicator& comm);

}  // namespace harmofl
