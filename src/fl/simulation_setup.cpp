// SPDX-License-Identifier: Apache-2.0
// How a simulation is put together, and what it begins from.
#include "fl/run/run_input.hpp"
#include "fl/simulation.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace harmofl {
namespace {

LocalOptions with_truncation(LocalOptions local, const Federation& federation, bool truncate) {
  if (truncate) local.batches.max_samples = federation.smallest();
  return local;
}

/// Training images (or pixels) of each class on all ranks.
std::vector<std::int64_t> count_classes(const Hosting& hosting, const BatchOptions& options,
                                        std::int64_t classes, const Communicator& comm) {
  torch::Tensor counts = torch::zeros({classes}, torch::kInt64);
  for (const auto& [id, client] : hosting.own()) {
    BatchStream batches(client.split(Split::train), {.batch_size = options.batch_size});
    while (const auto batch = batches.next()) {
      counts += batch->targets.flatten().bincount({}, classes).cpu();
    }
  }
  const auto* const first = counts.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> all(first, first + classes);
  comm.all_reduce_sum(all);
  return all;
}

/// The options with the class weights that the training images give, where these are wanted.
/// Collective.
LocalOptions with_class_weights(LocalOptions local, const Hosting& hosting,
                                const Federation& federation, const Communicator& comm) {
  const std::int64_t classes = federation.shape.classes;
  comm.agree([&] { check_class_weights(local.loss, classes); });
  if (!local.loss.weigh_by_frequency) return local;
  const std::vector<std::int64_t> counts = count_classes(hosting, local.batches, classes, comm);
  comm.agree([&] { local.loss.class_weights = weights_by_frequency(counts); });
  return local;
}

/// Samples that a client with `samples` of them trains on in a round; of steps the mean, since the
/// last batch of a pass may be smaller.
std::int64_t samples_a_round(std::int64_t samples, const LocalOptions& local) {
  if (local.local_steps == 0) return samples * local.local_epochs;
  const std::int64_t size = local.batches.batch_size;
  const std::int64_t pass = std::max<std::int64_t>(1, (samples + size - 1) / size);
  return local.local_steps * samples / pass;
}

/// Samples that each client trains on in a round.
RoundWork work_of(const Federation& federation, const SimulationOptions& options) {
  RoundWork work;
  for (const Member& member : federation.members) {
    const std::int64_t samples =
        options.truncate ? federation.smallest() : member.count(Split::train);
    work.samples.push_back(samples_a_round(samples, options.local));
  }
  return work;
}

Fleet open_fleet(const Federation& federation, const SimulationOptions& options,
                 const Communicator& comm) {
  std::vector<std::string> names;
  for (const Member& member : federation.members) names.push_back(member.site);
  std::optional<Fleet> fleet;
  comm.agree([&] {
    check(options.cohort, federation.size());
    fleet.emplace(options.fleet, names, options.seed);
  });
  return std::move(*fleet);
}

/// Refuses what a method cannot be combined with.
void check_combination(const Algorithm& algorithm, const Model& model,
                       const SimulationOptions& options) {
  const Slot& last = model.state().slots().back();
  const bool amplitude = model.amplitude().active();
  HARMOFL_VALIDATE(!amplitude || !(algorithm.sequential() || algorithm.stays_local(last)),
                   "algorithm.name = ", options.algorithm, " averages no running amplitude, which ",
                   "amplitude.band = ", band_text(options.model.amplitude),
                   " needs. Set --amplitude.band off.");
  HARMOFL_VALIDATE(!(algorithm.sequential() && options.fleet.active()),
                   "algorithm.name = ", options.algorithm,
                   " trains one client after the other, but [fleet] simulates ",
                   "devices that train at the same time. Leave its keys out.");
  HARMOFL_VALIDATE(!algorithm.wants_features() || model.has_features(),
                   "algorithm.name = ", options.algorithm,
                   " needs the features of images, but the script exports no ",
                   "method forward_features. Add it (docs/guides/your-own-network.md), or take a ",
                   "method that needs none.");
}

/// Refuses what the mean over pieces of a batch, by ranks that do not see the others', is not for.
void check_pieces(const Algorithm& algorithm, const Model& model, std::int64_t clients,
                  const SimulationOptions& options) {
  if (options.local.pieces == 1) return;
  const std::string given = concat("train.pieces = ", options.local.pieces);
  HARMOFL_VALIDATE(clients == 1, given, " shares the batches of one client out, but there are ",
                   clients, ". Set --data.partition pooled, or --train.pieces 1.");
  const NormKind norm = options.model.network.norm;
  HARMOFL_VALIDATE(norm != NormKind::batch && norm != NormKind::own, given, " leaves each rank ",
                   "running statistics of its own. Set --model.norm group, take a network without ",
                   "any, or --train.pieces 1.");
  HARMOFL_VALIDATE(!model.amplitude().active(), given, " gathers no running amplitude. Set ",
                   "--amplitude.band off, or --train.pieces 1.");
  HARMOFL_VALIDATE(algorithm.plain_gradient() && !options.local.graphs, given, " averages the ",
                   "gradient of the loss alone, and is not recorded. Set --algorithm.name fedavg ",
                   "and --device.graphs false, or --train.pieces 1.");
}

/// Refuses lanes where clients cannot be trained at the same time.
void check_lanes(const SimulationOptions& options) {
  if (options.lanes == 1) return;
  const std::string given = concat("device.lanes = ", options.lanes);
  HARMOFL_VALIDATE(!options.model.network.script, given, " trains clients at the same time, but a ",
                   "network of one's own may draw random numbers, of which libtorch has one ",
                   "sequence for all. Set --device.lanes 1.");
  HARMOFL_VALIDATE(options.local.pieces == 1, given, " trains clients at the same time, but ",
                   "train.pieces = ", options.local.pieces, " has all ranks train one client. ",
                   "Set --device.lanes 1, or --train.pieces 1.");
}

}  // namespace

SimulationOptions with_measures(SimulationOptions options, Task task) {
  if (options.best_by.empty()) options.best_by = main_metric(task);
  measures_for(task, {}, options.best_by, "run.best_by");
  options.measures = measures_for(task, options.measures, options.best_by, "run.measures");
  return options;
}

Simulation::Simulation(const Communicator& comm, const SimulationOptions& options,
                       Federation federation, const ClientLoader& load, torch::Device device,
                       const RunFolder* folder)
    : comm_(comm),
      options_(with_measures(options, federation.shape.task)),
      federation_(std::move(federation)),
      watchdog_(options.timeout_s, comm.rank()),
      work_(work_of(federation_, options)),
      fleet_(open_fleet(federation_, options, comm)),
      hosting_(comm, federation_, load, {work_.samples.begin(), work_.samples.end()},
               options.placement, options.state, device),
      evaluation_(
          comm, federation_, load,
          {options.local.loss, options.local.batches, options_.measures, options.new_sites}),
      state_(options.model, federation_.shape, options.seed, device,
             make_algorithm(options.algorithm, options.algorithm_values)),
      trainer_(state_.model, *state_.algorithm,
               with_class_weights(with_truncation(options.local, federation_, options.truncate),
                                  hosting_, federation_, comm)),
      lanes_(options_.lanes, {state_.model, *state_.algorithm, trainer_},
             [this] { return make_lane(); }),
      transport_(make_transport(options.transport, comm, device.is_cuda(),
                                options.timeout_s.value_or(SilenceLimits::floor_s))),
      gradient_sum_(*transport_, options.reduction),
      exchange_(state_.model, *state_.algorithm, options.buffers),
      updates_(comm, *transport_, options.reduction,
               aggregation_weights(federation_, options.weights, options.truncate)),
      reporter_(comm, federation_, folder,
                {options.rounds,
                 options.patience,
                 {options_.best_by, options_.measures},
                 options.tensorboard,
                 options.config}),
      checkpoints_(
          comm,
          {options.algorithm, options.config, options.keep, options.buffers,
           options.local.optimizer, options.accept_changed_data, options.model.network.script},
          federation_, folder, state_, hosting_, reporter_.log()) {
  comm_.agree([&] {
    check_combination(*state_.algorithm, state_.model, options_);
    check_pieces(*state_.algorithm, state_.model, federation_.size(), options_);
    check_lanes(options_);
  });
  if (options_.local.pieces > 1) share_gradient();
  if (options_.local.fingerprints) {
    fingerprints_.emplace(comm_, federation_, folder, state_.model.state().slots());
  }
}

LaneParts Simulation::make_lane() {
  LaneParts parts;
  parts.model = std::make_unique<Model>(options_.model, federation_.shape, options_.seed,
                                        state_.model.device());
  parts.algorithm = make_algorithm(options_.algorithm, options_.algorithm_values);
  parts.trainer =
      std::make_unique<LocalTrainer>(*parts.model, *parts.algorithm, trainer_.options());
  return parts;
}

// Pieces go round the ranks. With exact sums it does not matter which rank has which.
void Simulation::share_gradient() {
  const MessageLayout layout{state_.model.parameter_count(), 0, 1};
  trainer_.share_gradient(
      {comm_.rank().value(), comm_.size(),
       [this, layout] { gradient_sum_.begin(layout, state_.model.device()); },
       [this](const torch::Tensor& message, double share) {
         if (gradient_sum_.add(message, share, federation_.members.front().site)) return;
         throw RankFailure(
             "the gradient of a batch holds NaN or infinite values. Lower --train.lr.");
       },
       [this] { return gradient_sum_.reduce(); }});
}

void Simulation::start_from(const std::vector<NamedTensor>& model, const std::string& source) {
  comm_.agree([&] {
    for (const NamedTensor& tensor : model) {
      HARMOFL_VALIDATE(std::ranges::all_of(tensor.values, [](float x) { return std::isfinite(x); }),
                       source, ": tensor '", tensor.name, "' holds NaN or infinite values. Give ",
                       "weights of a run that did not diverge.");
    }
    if (comm_.is_root()) state_.model.import_weights(model, source);
  });
  broadcast_state(state_.model.state(), comm_);
  state_.global.copy_(state_.model.state().state());
}

void Simulation::save_initial() { checkpoints_.save_initial(); }

void Simulation::resume(const CheckpointReader& checkpoint) {
  checkpoints_.resume(checkpoint);
  reporter_.resume(state_.times);
}

std::vector<std::string> Simulation::cautions() const {
  const NormKind norm = options_.model.network.norm;
  std::vector<std::string> found = state_.algorithm->cautions(
      {options_.local.optimizer, options_.weights, norm, options_.buffers});
  if (options_.buffers != BufferPolicy::average && norm != NormKind::batch &&
      norm != NormKind::own) {
    found.emplace_back(
        "model.buffers says how running statistics are handled, but only those of model.norm = "
        "batch exist: it changes nothing here.");
  }
  if (options_.lanes > 1 && state_.algorithm->sequential()) {
    found.emplace_back(concat("algorithm.name = ", options_.algorithm, " trains one client after ",
                              "the other: device.lanes = ", options_.lanes, " changes nothing ",
                              "there."));
  }
  if (federation_.held_out.empty()) return found;
  const bool estimated = options_.new_sites == NewSiteStatistics::estimated;
  if (estimated && norm != NormKind::batch) {
    found.emplace_back(
        "data.hold_out_statistics says how new sites get running statistics, but only those of "
        "model.norm = batch exist: it changes nothing here.");
  }
  const auto local = local_slots(state_.model, *state_.algorithm, options_.buffers);
  if (!estimated && norm == NormKind::batch && !local.empty()) {
    found.emplace_back(
        "Running statistics stay with the clients, so that the global model, which sites of "
        "data.hold_out are measured with, has only those it began with. Set "
        "--data.hold_out_statistics estimated.");
  }
  return found;
}

}  // namespace harmofl
