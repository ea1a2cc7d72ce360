// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/plan.hpp"
#include "app/config/run_options.hpp"
#include "app/config/train_help.hpp"
#include "app/config/without_effect.hpp"
#include "app/device_setup.hpp"
#include "app/load_model.hpp"
#include "app/provenance.hpp"
#include "app/threads.hpp"
#include "base/log.hpp"
#include "base/process/interrupt.hpp"
#include "base/range.hpp"
#include "base/read_file.hpp"
#include "data/partition/partition_file.hpp"
#include "fl/run/run_energy.hpp"
#include "fl/run/run_input.hpp"
#include "fl/trace/run_trace.hpp"
#include "harmofl/model/network.hpp"
#include "model/weights/weights_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

struct Inputs {
  Config config;
  RunOptions run;
  Federation federation;
};

/// Refuses clients that would have nothing to train on in a round that may come much later.
void check_has_training_samples(const Federation& federation) {
  for (const Member& member : federation.members) {
    HARMOFL_VALIDATE(member.count(Split::train) > 0, member.shard.string(), ": client ",
                     member.site, " has no training samples. Leave its shard out of data.shards.");
  }
}

/// Reads the network of `model.script` on the root, and checks on every rank that it is one for
/// these images. Collective.
void read_script(RunOptions& run, const ProblemShape& shape, const Communicator& comm) {
  if (run.script.empty()) return;
  ScriptFile file{run.script.string(), ""};
  comm.agree([&] {
    if (comm.is_root()) file.bytes = read_bytes(run.script);
  });
  comm.broadcast(file.bytes);
  NetworkOptions& network = run.simulation.model.network;
  network.script = std::make_shared<ScriptFile>(std::move(file));
  comm.agree([&] {
    const auto made = make_network(network, shape, run.simulation.seed);
    if (network.projection) made->feature_count();
  });
}

Inputs read_inputs(const Arguments& arguments, const Communicator& comm) {
  std::optional<Config> config;
  comm.agree([&] {
    config = Config::from_arguments(arguments);
    HARMOFL_VALIDATE(!config->text("data.shards").empty(), "data.shards is not set. Give the ",
                     "folder of the shards: --data.shards DIR. `harmofl synthesize` and ",
                     "`harmofl-prepare` make them.");
  });
  RunOptions run;
  comm.agree([&] {
    run = preliminary_options(*config);
    if (config->accepts_changed_data() && !run.resume) {
      throw UsageError(
          "--accept-changed-data is for a run that goes on with other data. Give --resume as well, "
          "or leave it out.");
    }
  });
  Federation federation = open_federation(run.shards, comm, run.partition, run.hold_out);
  comm.agree([&] {
    resolve(*config, federation.shape.task);
    run = run_options(*config);
    run.simulation.accept_changed_data = config->accepts_changed_data();
    federation.measured_by_site = run.measured_by_site;
    run.simulation = with_measures(run.simulation, federation.shape.task);
    check_has_training_samples(federation);
    if (run.script.empty()) check_model_memory(run.simulation.model.network, federation.shape);
  });
  read_script(run, federation.shape, comm);
  return {*config, run, std::move(federation)};
}

/// Refuses to go on with other devices than those that the run wrote down.
void check_fleet(const std::filesystem::path& file, const Fleet& fleet) {
  HARMOFL_VALIDATE(read_text_file(file) == fleet.to_csv(), file.string(),
                   ": the run began with other ",
                   "devices than fleet.table or the distributions of [fleet] give now. Put ",
                   "fleet.table back as it was, or start a run in another folder.");
}

/// Refuses to go on with other clients or devices than those that the run wrote down.
void check_inputs(const RunFolder& folder, const Federation& federation, const Fleet& fleet) {
  if (!federation.partition_csv.empty()) {
    check_partition_file(folder.path() / "partition.csv", federation.partition_csv);
  }
  if (fleet.options().active()) check_fleet(folder.path() / "fleet.csv", fleet);
}

/// Writes down which client holds which images and which device, where that was made for the run.
void save_inputs(const RunFolder& folder, const Federation& federation, const Fleet& fleet) {
  if (!federation.partition_csv.empty()) folder.write("partition.csv", federation.partition_csv);
  if (fleet.options().active()) folder.write("fleet.csv", fleet.to_csv());
}

/// What happens before the first round of a run that is not resumed. Collective.
void start(Simulation& simulation, const RunOptions& run, const Communicator& comm) {
  if (!run.weights.empty()) {
    std::vector<NamedTensor> weights;
    comm.agree([&] {
      if (comm.is_root()) weights = read_weights(run.weights);
    });
    simulation.start_from(weights, run.weights.string());
    log::info(concat("starting from the weights of ", run.weights.string()));
  }
  if (run.save_initial) simulation.save_initial();
}

/// Draws the line of progress where the configuration decides on it.
void set_progress(log::Progress progress) {
  if (progress != log::Progress::automatic) {
    log::show_progress(progress == log::Progress::on, STDERR_FILENO);
  }
}

}  // namespace

ExitCode train(const Arguments& arguments, const Communicator& comm) {
  if (std::ranges::any_of(arguments, asks_for_help)) {
    print(train_help(), comm);
    return ExitCode::done;
  }
  auto [config, run, federation] = read_inputs(arguments, comm);
  set_progress(run.progress);
  const torch::Device device =
      open_device({run.device, run.deterministic, run.simulation.model.precision}, comm);
  run.simulation.lanes = choose_lanes_and_threads(run, federation, comm);
  run.simulation.lanes_by_memory = run.lanes == 0;

  const bool runs = config.dry_run() == DryRun::none;
  std::optional<RunFolder> folder;
  std::optional<CheckpointReader> checkpoint;  // to go on from, if there is one
  comm.agree([&] {
    if (comm.is_root() && runs) folder.emplace(run.output, run.resume);
    if (folder) checkpoint = folder->newest_intact_checkpoint();
    if (!checkpoint) return;
    const std::string path = checkpoint->path().string();
    check_same_run(config, stored_config(checkpoint->info().config, path), path);
    if (run.trace) check_trace(*folder);
  });
  if (comm.any(checkpoint.has_value())) checkpoint = open_as_root(std::move(checkpoint), comm);
  std::optional<RunTrace> trace;
  if (run.trace && runs) trace.emplace(comm);
  std::unique_ptr<RunEnergy> energy;
  if (run.energy && runs) energy = open_energy(device, comm);
  ShardPool shards(federation.shard_paths());
  const auto budget = open_sample_budget(run.simulation, federation, device, comm);
  Simulation simulation(
      comm, run.simulation, federation,
      [&](const Member& member) {
        const Range range("load client", {"client", member.site});
        return load_client(member.part, shards, device, run.residence, budget.get());
      },
      device, folder ? &*folder : nullptr);
  if (run.per_sample) {
    simulation.write_samples(
        [&](const Member& member, Split split) { return sample_ids(member, split, shards); });
  }
  if (comm.is_root()) {
    for (const std::string& caution : simulation.cautions()) log::warn_once(caution);
    for (const std::string& nothing : without_effect(config)) log::warn_once(nothing);
  }
  const auto ranks = describe_ranks(comm, describe(device), run.simulation.lanes);
  const auto parameters = simulation.model().parameter_count();
  log::info(banner(run, federation, simulation.placement(), ranks, parameters));
  if (!runs) {
    const RunEstimate estimate = simulation.estimate(config.dry_run() == DryRun::timed);
    if (config.dry_run() == DryRun::json) {
      print(plan_json(estimate, simulation.client_steps_to_come(), run.simulation.best_by), comm);
    } else {
      log::info(plan_text(estimate));
    }
    return ExitCode::done;
  }

  const bool goes_on = checkpoint.has_value();
  if (goes_on) {
    comm.agree([&] {
      if (folder) check_inputs(*folder, federation, simulation.fleet());
    });
    simulation.resume(*checkpoint);
    checkpoint.reset();
    log::info(concat("resuming after ", simulation.next_round(), " round(s)"));
  }
  comm.agree([&] {  // not before: a run that is refused leaves the folder as it was
    if (!folder) return;
    auto record = run_record(run, config, federation, simulation.placement(), ranks, parameters);
    record["accepted_changes"] = to_json(simulation.accepted_changes());
    folder->write("config.ini", config.ini());
    folder->write("run.json", record.dump(2) + "\n");
    save_inputs(*folder, federation, simulation.fleet());
    if (!goes_on) folder->drop_lines_from(0);
  });
  if (energy) simulation.measure_energy(*energy);
  if (trace) {
    trace->open(folder ? &*folder : nullptr, simulation.next_round());
    simulation.trace(&*trace);
  }
  if (!goes_on) start(simulation, run, comm);
  install_interrupt_handlers();
  const Outcome outcome = simulation.run();
  if (trace) trace->close();
  if (outcome == Outcome::interrupted) {
    log::info(concat("interrupted and saved after ", simulation.next_round(), " round(s)",
                     "; continue with --resume"));
    return ExitCode::interrupted;
  }
  log::info(concat("done: ", run.output.string(), " holds summary.json, metrics.jsonl, best.h5"));
  return ExitCode::done;
}

}  // namespace harmofl
