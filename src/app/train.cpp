// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands.hpp"
#include "app/config/run_options.hpp"
#include "app/config/train_help.hpp"
#include "app/provenance.hpp"
#include "app/threads.hpp"
#include "base/interrupt.hpp"
#include "base/log.hpp"
#include "data/partition/partition_file.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "model/weights/weights_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>

namespace harmofl {
namespace {

struct Prepared {
  Config config;
  RunOptions run;
  Federation federation;
};

Prepared prepare(const Arguments& arguments, const Communicator& comm) {
  std::optional<Config> config;
  comm.agree([&] {
    config = Config::from_arguments(arguments);
    HARMOFL_VALIDATE(!config->text("data.shards").empty(), "data.shards is not set. Give the ",
                     "folder of the shards: --data.shards DIR. `harmofl synthesize` and ",
                     "`harmofl-prepare` make them.");
  });
  RunOptions run;
  comm.agree([&] { run = preliminary_options(*config); });
  Federation federation = open_federation(run.shards, comm, run.partition);
  comm.agree([&] {
    resolve(*config, federation.shape.task);
    run = run_options(*config);
    federation.measured_by_site = run.measured_by_site;
  });
  return {*config, run, std::move(federation)};
}

/// Refuses to go on with other devices than those that the run wrote down.
void check_fleet(const std::filesystem::path& file, const Fleet& fleet) {
  std::ifstream stream(file);
  const std::string before{std::istreambuf_iterator<char>(stream), {}};
  HARMOFL_VALIDATE(!stream || before == fleet.to_csv(), file.string(),
                   ": the run began with other ",
                   "devices than fleet.table or the distributions of [fleet] give now. Put ",
                   "fleet.table back as it was, or start a run in another folder.");
}

/// Writes down which client holds which images and which device, where that was made for the run; a
/// run that goes on must find what it wrote.
void save_inputs(const RunFolder& folder, const Federation& federation, const Fleet& fleet,
                 bool goes_on) {
  if (!federation.partition_csv.empty()) {
    if (goes_on) check_partition_file(folder.path() / "partition.csv", federation.partition_csv);
    folder.write("partition.csv", federation.partition_csv);
  }
  if (fleet.options().active()) {
    if (goes_on) check_fleet(folder.path() / "fleet.csv", fleet);
    folder.write("fleet.csv", fleet.to_csv());
  }
}

/// What happens before the first round of a run that is not resumed. Collective.
void start(Simulation& simulation, const RunOptions& run, const Communicator& comm) {
  if (!run.weights.empty()) {
    comm.agree([&] { simulation.start_from(read_weights(run.weights), run.weights.string()); });
    log::info(concat("starting from the weights of ", run.weights.string()));
  }
  if (run.save_initial) simulation.save_initial();
}

}  // namespace

ExitCode train(const Arguments& arguments, const Communicator& comm) {
  if (std::ranges::any_of(arguments, asks_for_help)) {
    print(train_help(), comm);
    return ExitCode::done;
  }
  const auto [config, run, federation] = prepare(arguments, comm);
  torch::Device device(torch::kCPU);
  comm.agree([&] { device = select_device(run.device, comm.local_rank()); });
  choose_threads(run, comm);

  std::optional<RunFolder> folder;
  std::string checkpoint;  // to go on from; "" where there is none
  comm.agree([&] {
    if (comm.is_root() && !config.dry_run()) folder.emplace(run.output, run.resume);
    if (folder) checkpoint = folder->newest_intact_checkpoint();
    if (checkpoint.empty()) return;
    const std::string before = CheckpointReader(checkpoint).info().config;
    check_same_run(config, Config::from_ini(before, checkpoint), checkpoint);
  });
  comm.broadcast(checkpoint);
  ShardPool shards(federation.shard_paths());
  Simulation simulation(
      comm, run.simulation, federation,
      [&](const Member& member) { return load_client(member.part, shards, device); }, device,
      folder ? &*folder : nullptr);
  if (comm.is_root()) {
    for (const std::string& caution : simulation.cautions()) log::warn_once(caution);
  }
  const auto ranks = describe_ranks(comm, describe(device));
  const auto parameters = simulation.model().parameter_count();
  log::info(banner(run, federation, simulation.placement(), ranks, parameters));
  if (config.dry_run()) return ExitCode::done;

  comm.agree([&] {
    if (!folder) return;
    const auto record =
        run_record(run, config, federation, simulation.placement(), ranks, parameters);
    folder->write("config.ini", config.ini());
    folder->write("run.json", record.dump(2) + "\n");
    save_inputs(*folder, federation, simulation.fleet(), !checkpoint.empty());
    if (checkpoint.empty()) folder->drop_lines_from(0);
  });
  if (!checkpoint.empty()) {
    simulation.resume(checkpoint);
    log::info(concat("resuming after ", simulation.next_round(), " round(s)"));
  } else {
    start(simulation, run, comm);
  }
  install_interrupt_handlers();
  const Outcome outcome = simulation.run();
  if (outcome == Outcome::interrupted) {
    log::info(concat("interrupted and saved after ", simulation.next_round(), " round(s)",
                     "; continue with --resume"));
    return ExitCode::interrupted;
  }
  log::info(concat("done: ", run.output.string(), " holds summary.json, metrics.jsonl, best.h5"));
  return ExitCode::done;
}

}  // namespace harmofl
