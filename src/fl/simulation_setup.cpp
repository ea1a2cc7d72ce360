// SPDX-License-Identifier: Apache-2.0
// How a simulation is put together, and what it begins from.
#include "fl/simulation.hpp"

#include <optional>
#include <utility>

namespace harmofl {
namespace {

LocalOptions with_truncation(LocalOptions local, const Federation& federation, bool truncate) {
  if (truncate) local.batches.max_samples = federation.smallest();
  return local;
}

/// Samples that each client trains on in a round.
RoundWork work_of(const Federation& federation, const SimulationOptions& options) {
  RoundWork work;
  for (const Member& member : federation.members) {
    const std::int64_t samples =
        options.truncate ? federation.smallest() : member.count(Split::train);
    work.samples.push_back(samples * options.local.local_epochs);
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

}  // namespace

Simulation::Simulation(const Communicator& comm, const SimulationOptions& options,
                       Federation federation, const ClientLoader& load, torch::Device device,
                       const RunFolder* folder)
    : comm_(comm),
      options_(options),
      federation_(std::move(federation)),
      watchdog_(options.timeout_s, comm.rank()),
      work_(work_of(federation_, options)),
      fleet_(open_fleet(federation_, options, comm)),
      hosting_(comm, federation_, load, {work_.samples.begin(), work_.samples.end()},
               options.placement, options.state, device),
      evaluation_(comm, federation_, load, options.local.loss, options.local.batches.batch_size),
      state_(options.model, federation_.shape, options.seed, device,
             make_algorithm(options.algorithm, options.algorithm_values)),
      trainer_(state_.model, *state_.algorithm,
               with_truncation(options.local, federation_, options.truncate)),
      transport_(make_transport(options.transport, comm, device.is_cuda())),
      exchange_(state_.model, *state_.algorithm, options.buffers),
      updates_(comm, *transport_, options.reduction,
               aggregation_weights(federation_, options.weights, options.truncate)),
      reporter_(comm, federation_, folder, options.rounds),
      checkpoints_(comm, {options.algorithm, options.config, options.keep}, federation_, folder,
                   state_, hosting_, reporter_.log()) {}

void Simulation::start_from(const std::vector<NamedTensor>& model, const std::string& source) {
  state_.model.import_weights(model, source);
  state_.global.copy_(state_.model.state().state());
}

void Simulation::save_initial() { checkpoints_.save_initial(); }

void Simulation::resume(const std::filesystem::path& checkpoint) {
  checkpoints_.resume(checkpoint);
  reporter_.resume(state_.times);
}

std::vector<std::string> Simulation::cautions() const {
  const NormKind norm = options_.model.network.norm;
  std::vector<std::string> found = state_.algorithm->cautions(
      {options_.local.optimizer, options_.weights, norm, options_.buffers});
  if (options_.buffers != BufferPolicy::average && norm != NormKind::batch) {
    found.emplace_back(
        "model.buffers says how running statistics are handled, but only those of model.norm = "
        "batch exist: it changes nothing here.");
  }
  return found;
}

}  // namespace harmofl
