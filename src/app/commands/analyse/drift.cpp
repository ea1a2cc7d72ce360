// SPDX-License-Identifier: Apache-2.0
// `harmofl analyse drift`: how far clients move from the global model in a round, and where to.
#include "app/commands/analyse/analysis.hpp"
#include "app/commands/analyse/kinds.hpp"
#include "app/config/run_options.hpp"
#include "fl/analysis/gradients.hpp"
#include "fl/simulation.hpp"

#include <limits>
#include <map>
#include <utility>

namespace harmofl {
namespace {

/// What one round was measured to be; root only.
struct RoundDrift {
  std::int64_t round = 0;
  std::vector<Score> scores;  ///< Train only, by client.
  GradientGeometry updates;   ///< Norms and cosines of the D_i.
};

/// Continues the run of the checkpoint, or starts it anew, and measures `rounds` rounds.
/// Collective.
std::vector<RoundDrift> measure(const Analysis& analysis, const Federation& federation,
                                std::int64_t rounds, bool fresh, const Communicator& comm) {
  SimulationOptions options = run_options(analysis.loaded.config).simulation;
  options.local.measure = true;
  options.model.precision = analysis.model().precision();
  if (analysis.model().device().is_cpu()) options.local.graphs = false;
  options.evaluate_every = 0;
  options.rounds = (fresh ? 0 : analysis.loaded.rounds_done) + rounds + 1;  // no round is the last
  ShardPool shards(federation.shard_paths());
  Simulation simulation(
      comm, options, federation,
      [&](const Member& member) {
        return load_client(member.part, shards, analysis.model().device(),
                           analysis.loaded.run.residence);
      },
      analysis.model().device(), nullptr);
  if (!fresh) simulation.resume(analysis.loaded.checkpoint);
  std::map<ClientId, torch::Tensor> own;
  simulation.observe_updates([&](ClientId id, const torch::Tensor& update) { own[id] = update; });
  std::vector<RoundDrift> measured;
  for (std::int64_t i = 0; i < rounds; ++i) {
    const std::int64_t round = simulation.next_round().value();
    simulation.run_round();
    const auto updates =
        gather_tensors(std::exchange(own, {}), simulation.trained(), simulation.placement(), comm);
    if (comm.is_root()) measured.push_back({round, simulation.scores(), geometry(updates)});
  }
  return measured;
}

/// The cosines of a client's update with that of every member; NaN for those that did not train.
std::vector<double> cosines_by_member(const Federation& federation, const RoundDrift& round,
                                      const std::vector<double>& cosines) {
  std::vector<double> all(federation.members.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < round.scores.size(); ++i) {
    all[round.scores[i].client.position()] = cosines[i];
  }
  return all;
}

/// round | site | loss | drift | gamma | gradient_norm | update_norm | cosine_mean | a cosine a
/// site.
ResultTable drift_table(const Federation& federation, const std::vector<RoundDrift>& rounds) {
  ResultTable table{
      {"round", "site", "loss", "drift", "gamma", "gradient_norm", "update_norm", "cosine_mean"},
      {}};
  for (const Member& member : federation.members) table.columns.push_back("cosine_" + member.site);
  for (const RoundDrift& round : rounds) {
    // Gamma = (1/K) sum_i (1/tau_i) sum_k ||w_{i,k} - w_t||^2
    double gamma = 0.0;
    for (const Score& score : round.scores) gamma += score.values.at("drift");
    gamma /= static_cast<double>(round.scores.size());
    for (std::size_t i = 0; i < round.scores.size(); ++i) {
      const MetricValues& values = round.scores[i].values;
      const Member& member = federation.members[round.scores[i].client.position()];
      table.rows.push_back({round.round, member.site, values.at("loss"), values.at("drift"), gamma,
                            values.at("gradient_norm"), round.updates.norms[i],
                            round.updates.mean_cosines[i]});
      for (const double c : cosines_by_member(federation, round, round.updates.cosines[i])) {
        table.rows.back().push_back(c);
      }
    }
  }
  return table;
}

}  // namespace

ExitCode analyse_drift(const Arguments& arguments, const Communicator& comm) {
  auto options = analysis_options(
      "drift",
      "Trains further rounds in memory: each client's drift, and the angles between the updates.",
      "checkpoint.h5 of a run");
  options.add_options()("rounds", text_option("1"), "rounds to measure")(
      "fresh", "measure from the run's first round on, not from the checkpoint on");
  std::int64_t rounds = 1;
  bool fresh = false;
  const auto analysis = open_analysis(
      "drift", arguments, options,
      [&](const GivenOptions& given) {
        rounds = whole_option(given, "rounds", {1});
        fresh = given.contains("fresh");
        if (given["split"].as<std::string>() != "train" || whole_option(given, "most", {0}) != 0) {
          throw UsageError(
              "harmofl analyse drift trains as the run did: --split and --most do not "
              "apply. Leave them out.");
        }
      },
      comm);
  if (!analysis) return ExitCode::done;
  const Federation federation =
      open_federation(analysis->options.shards, comm, analysis->loaded.run.partition,
                      analysis->loaded.run.hold_out);
  const std::vector<RoundDrift> measured = measure(*analysis, federation, rounds, fresh, comm);
  const ResultTable table = drift_table(federation, measured);
  report_results(*analysis, {{"parameters", analysis->model().parameter_count()}, {"fresh", fresh}},
                 table, plain_text(table), comm);
  return ExitCode::done;
}

}  // namespace harmofl
