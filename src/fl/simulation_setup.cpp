// How a simulation is put together: who takes part, where, with what.
#include "fl/simulation.hpp"

#include <optional>
#include <utility>

namespace harmofl {
namespace {

LocalOptions with_truncation(LocalOptions local, const Federation& federation, bool truncate) {
  if (truncate) local.batches.most_samples = federation.smallest();
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

/// The sites that this rank measures on, with val and test alone; none where clients are measured.
std::map<ClientId, ClientData> load_sites(const Federation& federation, const Communicator& comm,
                                          const Hosting::ClientLoader& load) {
  std::map<ClientId, ClientData> own;
  if (!federation.measured_by_site) return own;
  std::vector<double> costs;
  for (const Member& site : federation.sites) {
    costs.push_back(static_cast<double>(site.count(Split::val) + site.count(Split::test)));
  }
  const std::vector<Rank> owner = place(costs, comm.size());
  comm.agree([&] {
    for (ClientId id{0}; id.position() < owner.size(); ++id) {
      if (owner[id.position()] != comm.rank()) continue;
      Member site = federation.sites[id.position()];
      site.part.samples[static_cast<std::size_t>(Split::train)].clear();
      own.emplace(id, load(site));
    }
  });
  return own;
}

}  // namespace

Simulation::Simulation(const Communicator& comm, const SimulationOptions& options,
                       Federation federation, const ClientLoader& load, torch::Device device,
                       const RunFolder* folder)
    : comm_(comm),
      options_(options),
      federation_(std::move(federation)),
      folder_(folder),
      watchdog_(options.timeout_s, comm.rank()),
      weights_(aggregation_weights(federation_, options.weights, options.truncate)),
      work_(work_of(federation_, options)),
      fleet_(open_fleet(federation_, options, comm)),
      hosting_(comm, federation_, load, {work_.samples.begin(), work_.samples.end()},
               options.placement, options.state, device),
      sites_(load_sites(federation_, comm, load)),
      model_(options.model, federation_.shape, options.seed, device),
      global_(model_.state().state().clone()),
      algorithm_(make_algorithm(options.algorithm, options.algorithm_values)),
      trainer_(model_, *algorithm_, with_truncation(options.local, federation_, options.truncate)),
      transport_(make_transport(options.transport, comm, device.is_cuda())),
      aggregator_(*transport_, options.reduction),
      exchange_(model_, *algorithm_, options.buffers),
      log_(federation_, folder) {}

std::vector<std::string> Simulation::cautions() const {
  const NormKind norm = options_.model.network.norm;
  std::vector<std::string> found =
      algorithm_->cautions({options_.local.optimizer, options_.weights, norm, options_.buffers});
  if (options_.buffers != BufferPolicy::average && norm != NormKind::batch) {
    found.emplace_back(
        "model.buffers says how running statistics are handled, but only those of model.norm = "
        "batch exist: it changes nothing here.");
  }
  return found;
}

}  // namespace harmofl
