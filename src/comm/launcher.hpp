// SPDX-License-Identifier: Apache-2.0
/// Whether what started this process and the MPI library understand each other.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace harmofl {

class Communicator;

/// Throws UserError when srun started this process without a PMI, by which MPI learns of the other
/// tasks. To be called before MpiSession: Open MPI 4 would end the process there, with a text about
/// how it was built; other libraries would let every task do the whole job. Every task throws.
void check_pmi();

/// Throws UserError when Slurm started several tasks but MPI says that this one is alone: every
/// task would then do the whole job by itself. `world` is the communicator of all ranks.
void check_launcher(const Communicator& world);

/// Position of this process among those of its host, as what started it says in the environment.
/// None where nothing says it, or two say different things: a variable may be left over from
/// another launcher.
std::optional<int> launched_local_rank();

/// An open file of the terminal on which a person sees the standard error of this process: its own,
/// or that of mpirun (or its like) on this host, which reads what this process says and passes it
/// on as it comes. -1 where there is none, where mpirun puts something before the lines or into
/// files, and where the terminal does not know how to go back in a line.
int terminal_of_errors();

/// Whether mpirun, started with these arguments, passes on what ranks say as it comes.
bool passes_on(const std::vector<std::string>& arguments);

/// True for one task of a step of srun, which speaks for all while MPI has no ranks yet; true
/// without Slurm.
bool is_first_task();

}  // namespace harmofl
