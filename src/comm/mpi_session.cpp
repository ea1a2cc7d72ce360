// SPDX-License-Identifier: Apache-2.0
// Start and end of MPI.
#include "comm/communicator.hpp"

#include <mpi.h>

#include <array>
#include <cstdlib>
#include <exception>
#include <string>

namespace harmofl {
namespace {

bool mpi_is_live() {
  int initialised = 0;
  int finalised = 0;
  MPI_Initialized(&initialised);
  MPI_Finalized(&finalised);
  return initialised != 0 && finalised == 0;
}

}  // namespace

MpiSession::MpiSession(int& argc, char**& argv) {
  int provided = MPI_THREAD_SINGLE;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &provided);
  if (provided < MPI_THREAD_FUNNELED) {
    MPI_Finalize();
    throw UserError(
        "The MPI library supports no threads (MPI_THREAD_SINGLE), but libtorch uses "
        "them. Use an MPI library built with MPI_THREAD_FUNNELED or more.");
  }
}

MpiSession::~MpiSession() {
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size > 1 && std::uncaught_exceptions() > 0) abort(ExitCode::rank_failure);
  MPI_Finalize();
}

void MpiSession::abort(ExitCode code) {
  if (mpi_is_live()) MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
  std::_Exit(static_cast<int>(code));
}

std::string mpi_library_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING + 1> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string whole(text.data());  // `length` counts the terminator in Open MPI 4.1
  return whole.substr(0, whole.find('\n'));
}

}  // namespace harmofl
