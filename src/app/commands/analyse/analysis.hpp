// SPDX-License-Identifier: Apache-2.0
/// What the kinds of `harmofl analyse` share: their options, what they open, where results go.
#pragma once

#include "app/command_line.hpp"
#include "app/commands/analyse/result_table.hpp"
#include "app/commands/commands.hpp"
#include "app/load_model.hpp"
#include "comm/communicator.hpp"
#include "fl/analysis/landscape.hpp"
#include "fl/clients/federation.hpp"
#include "harmofl/data/client_data.hpp"
#include "model/measures/losses.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace harmofl {

/// The options of every kind, under a usage text that says what `kind` does; `checkpoint` says
/// which files of a run it takes.
boost::program_options::options_description analysis_options(
    const std::string& kind, const std::string& meaning,
    const std::string& checkpoint = "checkpoint.h5 or best.h5 of a run");

/// What the options of every kind say.
struct AnalysisOptions {
  std::string kind;
  std::string checkpoint;
  std::filesystem::path shards;  ///< Folder of the sites.
  std::filesystem::path output;  ///< Folder of the results.
  Split split = Split::train;
  std::int64_t max_images = 0;  ///< Images of each site; 0 is all.
};

/// A checkpoint and the sites to measure it on.
struct Analysis {
  AnalysisOptions options;
  Federation federation;
  LoadedModel loaded;
  LossOptions loss;
  std::int64_t batch_size;

  Model& model() const { return *loaded.model; }
};

/// Parses `arguments`, gives them to `read` (which throws UsageErrors of its own) and opens what
/// they name; null after --help. Throws UserError unless every site has samples. Collective.
std::unique_ptr<Analysis> open_analysis(const std::string& kind, const Arguments& arguments,
                                        const boost::program_options::options_description& options,
                                        const std::function<void(const GivenOptions&)>& read,
                                        const Communicator& comm);

/// The samples of one site that the analysis uses, read from its shard.
Samples load_samples(const Analysis& analysis, ClientId client);

/// Which rank looks at which site.
std::vector<Rank> place_sites(const Analysis& analysis, const Communicator& comm);

/// The tensors of `clients`, float32, in that order, on the root; others get nothing. `own` are
/// those of this rank. Collective.
std::vector<torch::Tensor> gather_tensors(std::map<ClientId, torch::Tensor> own,
                                          const std::vector<ClientId>& clients,
                                          const std::vector<Rank>& placement,
                                          const Communicator& comm);

/// The landscape of the model's loss. Every rank holds all sites: the points are what is shared
/// out. `analysis` must outlive it. Collective.
Landscape open_landscape(const Analysis& analysis, const Communicator& comm);

/// The L2 norm of all of `values`, added up in float64.
double norm_of(const torch::Tensor& values);

/// Writes `<kind>.json`, which holds where the results come from, `facts` and the table, and
/// `<kind>.csv`, the table: atomically. Then prints `text` whole, and after it logs where the files
/// are. On the root, whose arguments alone count. Collective.
void report_results(const Analysis& analysis, const nlohmann::ordered_json& facts,
                    const ResultTable& table, const std::string& text, const Communicator& comm);

}  // namespace harmofl
