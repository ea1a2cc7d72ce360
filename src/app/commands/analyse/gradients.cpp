// SPDX-License-Identifier: Apache-2.0
// `harmofl analyse gradients`: how far the sites pull the model in the same direction.
#include "fl/analysis/gradients.hpp"

#include "app/commands/analyse/analysis.hpp"
#include "app/commands/analyse/kinds.hpp"

#include <limits>
#include <map>
#include <string>
#include <utility>

namespace harmofl {
namespace {

/// Gradients of all sites, on the root; others get nothing. Collective.
std::vector<torch::Tensor> measure(const Analysis& analysis, const Communicator& comm) {
  const std::vector<Rank> placement = place_sites(analysis, comm);
  std::map<ClientId, torch::Tensor> own;
  std::vector<ClientId> all;
  for (ClientId id{0}; id.value() < analysis.federation.size(); ++id) all.push_back(id);
  comm.agree([&] {
    for (const ClientId id : all) {
      if (placement[id.position()] != comm.rank()) continue;
      own[id] = split_gradient(analysis.model(), load_samples(analysis, id), analysis.loss,
                               analysis.batch_size, Statistics::batch);
    }
  });
  return gather_tensors(std::move(own), all, placement, comm);
}

/// site | norm | cosine_mean | a cosine for each site; the last row is the mean gradient's.
ResultTable gradients_table(const Federation& federation, const GradientGeometry& found) {
  ResultTable table{{"site", "norm", "cosine_mean"}, {}};
  for (const Member& member : federation.members) table.columns.push_back("cosine_" + member.site);
  for (std::size_t i = 0; i < found.norms.size(); ++i) {
    table.rows.push_back({federation.members[i].site, found.norms[i], found.mean_cosines[i]});
    for (const double cosine : found.cosines[i]) table.rows.back().push_back(cosine);
  }
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  table.rows.push_back({"(mean)", found.mean_norm, found.mean_norm > 0.0 ? 1.0 : nothing});
  for (const double cosine : found.mean_cosines) table.rows.back().push_back(cosine);
  return table;
}

}  // namespace

ExitCode analyse_gradients(const Arguments& arguments, const Communicator& comm) {
  const auto analysis = open_analysis(
      "gradients", arguments,
      analysis_options("gradients",
                       "Gradient of each site's loss over its whole split: norms, cosines."),
      [](const GivenOptions&) {}, comm);
  if (!analysis) return ExitCode::done;
  const std::vector<torch::Tensor> gradients = measure(*analysis, comm);
  ResultTable table;
  nlohmann::ordered_json facts;
  if (comm.is_root()) {
    const GradientGeometry found = geometry(gradients);
    table = gradients_table(analysis->federation, found);
    facts = {{"parameters", analysis->model().parameter_count()}, {"mean_norm", found.mean_norm}};
  }
  report_results(*analysis, facts, table, plain_text(table), comm);
  return ExitCode::done;
}

}  // namespace harmofl
