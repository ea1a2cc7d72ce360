// SPDX-License-Identifier: Apache-2.0
// harmofl: runs a subcommand and turns whatever goes wrong into one message and an exit code.
#include "app/commands/commands.hpp"
#include "app/early_gpu.hpp"
#include "base/log.hpp"
#include "base/process/fault.hpp"
#include "base/process/interrupt.hpp"
#include "base/process/last_words.hpp"
#include "base/process/memory.hpp"
#include "base/process/openmp_wait.hpp"
#include "comm/communicator.hpp"
#include "comm/launcher.hpp"
#include "harmofl/base/error.hpp"

#include <exception>

namespace {

using namespace harmofl;

// An error that every rank throws is said once and all leave; one of a single rank ends the job.
ExitCode fail(const Communicator& comm, const std::string& message, ExitCode code,
              bool on_every_rank) {
  log::clear_progress();
  const bool all_leave = on_every_rank || comm.size() == 1;
  if (!all_leave) log::error(concat("rank ", comm.rank(), ": ", message));
  if (all_leave && comm.is_root()) log::error(message);
  if (all_leave) return code;
  MpiSession::abort(ExitCode::rank_failure);
}

ExitCode run(const Arguments& arguments, const Communicator& comm) {
  try {
    check_launcher(comm);
    return run_command(arguments, comm);
  } catch (const Error& error) {
    return fail(comm, error.what(), error.exit_code(), error.on_every_rank());
  } catch (const std::exception& error) {
    return fail(comm, message_of(error), ExitCode::rank_failure, false);
  }
}

ExitCode run_under_mpi(int argc, char** argv) {
  check_pmi();
  take_gpu_early(Arguments(argv + 1, argv + argc));
  const MpiSession session(argc, argv);
  const Communicator comm = Communicator::world();
  log::set_rank(static_cast<int>(comm.rank().value()), static_cast<int>(comm.size()));
  const int terminal = comm.is_root() ? terminal_of_errors() : -1;
  log::show_progress(comm.any(terminal >= 0), terminal);
  install_last_words(static_cast<int>(comm.rank().value()));
  if (comm.is_root()) announce_fault();
  return run(Arguments(argv + 1, argv + argc), comm);
}

}  // namespace

int main(int argc, char** argv) {
  let_waiting_threads_sleep(argv);
  log::keep_standard_streams();
  keep_freed_memory();
  let_writes_fail();
  try {
    return static_cast<int>(run_under_mpi(argc, argv));
  } catch (const Error& error) {  // there are no ranks yet
    if (is_first_task()) log::error(error.what());
    return static_cast<int>(error.exit_code());
  }
}
