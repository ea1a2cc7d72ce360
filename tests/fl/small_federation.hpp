// SPDX-License-Identifier: Apache-2.0
/// A federation of synthetic sites in memory, small enough to train in a test.
#pragma once

#include "data/batches/residence.hpp"
#include "data/synthetic/synthetic.hpp"
#include "fl/simulation.hpp"

#include <torch/types.h>

#include <algorithm>
#include <string>
#include <vector>

namespace harmofl::test {

/// Copies a site's samples into tensors.
inline ClientData client_of(SyntheticShard shard) {
  ClientData client{shard.info.site, shard.info.task, 2, {}};
  for (const Split split : all_splits) {
    SplitData& data = shard.splits[static_cast<std::size_t>(split)];
    const ShardInfo& info = shard.info;
    client.split(split) = {
        torch::from_blob(data.images.data(), {data.count(), info.channels, info.height, info.width},
                         torch::kUInt8)
            .clone(),
        torch::from_blob(data.masks.data(), {data.count(), info.height, info.width}, torch::kUInt8)
            .clone(),
        info.intensity_scale};
  }
  return client;
}

/// Clients and what a simulation needs to know of them.
struct SmallFederation {
  std::vector<ClientData> clients;

  Federation federation() const {
    const auto& images = clients.front().split(Split::train).images;
    Federation federation{{Task::segmentation, 2, images.size(1), images.size(2), images.size(3)},
                          {"background", "nucleus"},
                          {}};
    for (const ClientData& client : clients) {
      Member member{client.site, "", {}, {}};
      for (const Split split : all_splits) {
        member.counts[static_cast<std::size_t>(split)] = client.split(split).count();
      }
      federation.members.push_back(member);
    }
    return federation;
  }

  Simulation::ClientLoader loader(torch::Device device = torch::kCPU) const {
    return [this, device](const Member& member) {
      ClientData client = *std::ranges::find(clients, member.site, &ClientData::site);
      settle(client, device);
      return client;
    };
  }
};

/// Sites of unequal sizes: 12, 6, 4, 4, ... training samples of 32 x 32 pixels.
inline SmallFederation unequal_sites(std::int64_t sites, std::uint64_t seed = 3) {
  const SyntheticOptions options{.sites = sites,
                                 .train = 12,
                                 .val = 3,
                                 .test = 2,
                                 .height = 32,
                                 .width = 32,
                                 .seed = seed,
                                 .unequal = true};
  SmallFederation small;
  for (std::int64_t site = 0; site < sites; ++site) {
    small.clients.push_back(client_of(synthesize_site(options, site)));
  }
  return small;
}

/// The same site under `sites` names.
inline SmallFederation identical_sites(std::int64_t sites) {
  SmallFederation small;
  for (std::int64_t site = 0; site < sites; ++site) {
    small.clients.push_back(unequal_sites(1).clients.front());
    small.clients.back().site = "copy_" + std::to_string(site);
  }
  return small;
}

/// HarmoFL with all that draws random numbers switched on, summed exactly.
inline SimulationOptions small_options() {
  SimulationOptions options;
  options.algorithm = "harmofl";
  options.seed = 11;
  options.rounds = 3;
  options.weights = Weighting::samples;
  options.reduction = Reduction::exact;
  options.model.network = {"unet", 2, NormKind::batch};
  options.model.amplitude.band = Band::low;
  options.model.amplitude.low_fraction = 0.1;
  options.local.optimizer = {OptimizerKind::sgd, 0.05, 0.9, 1e-4};
  options.local.perturbation.alpha = 0.05;
  options.local.batches = {.batch_size = 4, .max_samples = -1, .augment = true};
  return options;
}

/// What a run ended with.
struct Ending {
  torch::Tensor state;        ///< State of the global model.
  std::vector<Score> scores;  ///< Scores of the last round; root only.
};

inline Ending ending_of(Simulation& simulation) {
  return {simulation.model().state().state().clone(), simulation.scores()};
}

/// Runs all rounds on the ranks of `comm`, writing nothing. Collective.
inline Ending run(const Communicator& comm, const SimulationOptions& options,
                  const SmallFederation& small, torch::Device device = torch::kCPU) {
  Simulation simulation(comm, options, small.federation(), small.loader(device), device, nullptr);
  simulation.run();
  return ending_of(simulation);
}

/// The same on this rank alone.
inline Ending run_serially(const SimulationOptions& options, const SmallFederation& small) {
  return run(Communicator::serial(), options, small);
}

/// Whether two rounds were scored alike, to the bit; their seconds may differ.
inline bool same_scores(const std::vector<Score>& a, const std::vector<Score>& b) {
  return std::ranges::equal(a, b, [](const Score& left, const Score& right) {
    return left.client == right.client && left.split == right.split && left.values == right.values;
  });
}

}  // namespace harmofl::test
