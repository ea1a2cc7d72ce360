// SPDX-License-Identifier: Apache-2.0
// NCCL's half of the stand-in. Ranks tell each other by small messages that they came to connect,
// that they are ready for a sum, and that they are gone; what needs all of them begins when all
// have said so.
#include "comm/stand_in/stand_in.hpp"

#include <mpi.h>
#include <nccl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <utility>

using harmofl::stand_in::counts;
using harmofl::stand_in::faults;

namespace {

enum class Said : int { came, ready, gone };

/// What ranks tell each other of one communicator.
struct Message {
  std::uint64_t id = 0;
  Said said = Said::came;
  int rank = 0;                ///< In that communicator.
  int world = 0;               ///< In the job.
  int sum = 0;                 ///< Number of the sum.
  std::array<char, 96> gpu{};  ///< What NCCL tells GPUs apart by.
};

/// What this rank has heard of a communicator.
struct Heard {
  std::map<int, Message> came;
  std::map<int, std::set<int>> ready;  ///< Ranks by the number of the sum.
  bool gone = false;
};

struct Network {
  MPI_Comm wire = MPI_COMM_NULL;
  int world = 0;
  int size = 1;
  std::uint64_t ids = 0;
  std::map<std::uint64_t, Heard> heard;
};

Network& network() {
  static Network all;
  return all;
}

void hear(const Message& message) {
  Heard& heard = network().heard[message.id];
  if (message.said == Said::came) heard.came[message.rank] = message;
  if (message.said == Said::ready) heard.ready[message.sum].insert(message.rank);
  if (message.said == Said::gone) heard.gone = true;
}

void listen() {
  Network& all = network();
  for (int there = 1; there != 0;) {
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, 0, all.wire, &there, &status);
    if (there == 0) return;
    Message message;
    MPI_Recv(&message, sizeof message, MPI_BYTE, status.MPI_SOURCE, 0, all.wire, MPI_STATUS_IGNORE);
    hear(message);
  }
}

/// Messages are so short that MPI takes them whether they are received or not.
void say(const Message& message) {
  for (int to = 0; to < network().size; ++to) {
    if (to == network().world) continue;
    MPI_Send(&message, sizeof message, MPI_BYTE, to, 0, network().wire);
  }
  hear(message);
}

std::array<char, 96> gpu_name() {
  const char* const host_id = std::getenv("NCCL_HOSTID");
  const std::string text =
      (host_id == nullptr ? "" : host_id) + (" " + harmofl::stand_in::current_gpu().bus_id);
  std::array<char, 96> name{};
  std::memcpy(name.data(), text.data(), std::min(text.size(), name.size() - 1));
  return name;
}

}  // namespace

struct ncclComm {
  std::uint64_t id = 0;
  int ranks = 1;
  int rank = 0;
  ncclResult_t state = ncclInProgress;
  MPI_Comm mpi = MPI_COMM_NULL;
  int sums = 0;
  int looks = 3;               ///< Before what was asked for begins: until then it is in progress.
  std::function<void()> next;  ///< What begins then.
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);

  Heard& heard() const { return network().heard[id]; }
  Message message(Said said, int sum = 0) const {
    return {id, said, rank, network().world, sum, gpu_name()};
  }

  /// Goes on with what is in progress.
  void advance() {
    listen();
    if (state != ncclInProgress) return;
    if (heard().gone) {
      state = ncclRemoteError;
    } else if (looks > 0) {
      --looks;
    } else if (mpi == MPI_COMM_NULL) {
      connect();
    } else if (next) {
      state = ncclSuccess;
      std::exchange(next, nullptr)();
    }
  }

  void connect() {
    if (faults().fails_to_connect) state = ncclSystemError;
    const auto& came = heard().came;
    if (state != ncclInProgress || static_cast<int>(came.size()) < ranks) return;
    std::set<std::string> gpus;
    std::vector<int> worlds;
    for (const auto& [from, message] : came) {
      worlds.push_back(message.world);
      gpus.insert(message.gpu.data());
    }
    if (static_cast<int>(gpus.size()) < ranks) {  // two ranks on one GPU
      state = ncclInvalidUsage;
      return;
    }
    MPI_Group all = MPI_GROUP_NULL;
    MPI_Group own = MPI_GROUP_NULL;
    MPI_Comm_group(network().wire, &all);
    MPI_Group_incl(all, ranks, worlds.data(), &own);
    MPI_Comm_create_group(network().wire, own, 1, &mpi);
    MPI_Group_free(&own);
    MPI_Group_free(&all);
    ++counts().connected;
    state = ncclSuccess;
  }

  /// A step of a sum on its stream: true when the sum is there.
  bool sum(int number, bool& announced, void* data, int count, MPI_Datatype type) {
    if (faults().never_sums || state != ncclSuccess) return false;
    if (faults().sum_that_fails == number) {
      state = ncclSystemError;
      return false;
    }
    if (!std::exchange(announced, true)) say(message(Said::ready, number));
    listen();
    if (heard().gone) {
      state = ncclRemoteError;
      return false;
    }
    if (static_cast<int>(heard().ready[number].size()) < ranks) return false;
    MPI_Allreduce(MPI_IN_PLACE, data, count, type, MPI_SUM, mpi);
    ++counts().sums;
    return true;
  }
};

namespace harmofl::stand_in {

void reset_nccl() {
  Network& all = network();
  if (all.wire == MPI_COMM_NULL) {
    MPI_Comm_dup(MPI_COMM_WORLD, &all.wire);
    MPI_Comm_rank(all.wire, &all.world);
    MPI_Comm_size(all.wire, &all.size);
  }
  MPI_Barrier(all.wire);
  listen();  // what is left of what went before
  all.heard.clear();
  MPI_Barrier(all.wire);
}

}  // namespace harmofl::stand_in

extern "C" {

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  Network& all = network();
  const std::uint64_t number = (++all.ids << 16U) + static_cast<std::uint64_t>(all.world);
  std::memcpy(id->internal, &number, sizeof number);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (config->size != sizeof *config || rank < 0 || rank >= ranks) return ncclInvalidArgument;
  if (config->blocking != 0)
    return ncclInvalidArgument;  // would keep the host: not to be asked for
  *comm = new ncclComm;
  (*comm)->ranks = ranks;
  (*comm)->rank = rank;
  std::memcpy(&(*comm)->id, id.internal, sizeof(std::uint64_t));
  if (!faults().never_connects && !faults().fails_to_connect) say((*comm)->message(Said::came));
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  comm->advance();
  *state = comm->state;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type,
                           ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream) {
  if (from != to || operation != ncclSum || comm->state != ncclSuccess) return ncclInvalidUsage;
  const MPI_Datatype in_mpi = type == ncclFloat ? MPI_FLOAT : MPI_INT64_T;
  comm->state = ncclInProgress;
  comm->looks = 3;
  comm->next = [=, number = comm->sums++] {
    harmofl::stand_in::launch(stream, [=, alive = comm->alive, announced = false]() mutable {
      return !*alive || comm->sum(number, announced, to, static_cast<int>(count), in_mpi);
    });
  };
  return ncclInProgress;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  if (comm->state != ncclSuccess) return ncclInvalidUsage;
  comm->state = ncclInProgress;
  comm->looks = 3;
  if (!faults().never_takes_leave) comm->next = [] {};
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  ++counts().destroyed;
  *comm->alive = false;
  if (comm->mpi != MPI_COMM_NULL) MPI_Comm_free(&comm->mpi);
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  ++counts().aborted;
  *comm->alive = false;
  say(comm->message(Said::gone));
  delete comm;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSystemError:
      return "a system error of the stand-in";
    case ncclInvalidUsage:
      return "two ranks on one GPU";
    case ncclRemoteError:
      return "another rank failed";
    default:
      return "another error of the stand-in";
  }
}

}  // extern "C"
