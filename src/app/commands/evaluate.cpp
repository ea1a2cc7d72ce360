// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/load_model.hpp"
#include "fl/aggregate/exchange.hpp"
#include "fl/local/batch_statistics.hpp"
#include "fl/local/evaluation.hpp"
#include "fl/record/sample_rows.hpp"
#include "fl/record/split_summary.hpp"
#include "io/atomic_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <iomanip>
#include <optional>
#include <sstream>

namespace harmofl {
namespace {

namespace po = boost::program_options;

po::options_description evaluate_options() {
  po::options_description options(
      "usage: [mpirun -n RANKS] harmofl evaluate --checkpoint FILE --shards DIR [OPTIONS]\n"
      "Measures a model on every site; prints a table.\n\nOptions");
  options.add_options()("help,h", "show this text")(
      "checkpoint", po::value<std::string>()->required(), "checkpoint.h5 or best.h5 of a run")(
      "shards", po::value<std::string>()->required(), "folder with one HDF5 shard a site")(
      "split", po::value<std::string>()->default_value("test"), "train | val | test")(
      "site", po::value<std::string>(),
      "measure everywhere with what this site has of the model for itself")(
      "measures", po::value<std::string>(),
      "auto | all | names with commas; those of the run unless given")(
      "output", po::value<std::string>(), "write the sites' values to this JSON file too")(
      "summary", po::value<std::string>(),
      "write all to this JSON file: sites, means, pooled, worst site, each class")(
      "per-sample", po::value<std::string>(), "write a line a sample to this CSV file");
  add_device_options(options);
  return options;
}

nlohmann::json table_of(const std::vector<Score>& scores, const Federation& federation) {
  nlohmann::json sites = nlohmann::json::object();
  for (const Score& score : scores) {
    sites[federation.members[score.client.position()].site] = metrics_json(score.values);
  }
  return sites;
}

/// "name value" of each, or what `text` makes of it.
std::string row_text(const std::string& title, const MetricValues& values,
                     const std::function<std::string(const std::string&, double)>& text) {
  std::ostringstream out;
  out << std::left << std::setw(20) << title;
  for (const auto& [name, value] : values) out << "  " << name << " " << text(name, value);
  return out.str() + "\n";
}

std::string plain_number(const std::string&, double value) { return fixed(value, 4); }

/// What is said of several sites beside their mean.
std::string pooled_text(const SplitSummary& summary,
                        const std::map<std::string, OverSites>& statistics) {
  MetricValues weighted, worst;
  for (const auto& [name, found] : statistics) {
    weighted[name] = found.weighted;
    if (found.defined > 0) worst[name] = found.worst_value;
  }
  return row_text("weighted by samples", weighted, plain_number) +
         row_text("pooled samples", summary.pooled, plain_number) +
         row_text("worst site", worst, [&](const std::string& name, double value) {
           return concat(fixed(value, 4), " (", statistics.at(name).worst, ")");
         });
}

/// What is said of the sites of `summary` together; "" of none.
std::string means_text(const SplitSummary& summary, const std::string& which) {
  const auto statistics = over_sites(summary.sites, summary.samples);
  const bool several =
      std::ranges::any_of(statistics, [](const auto& column) { return column.second.defined > 1; });
  MetricValues means;
  for (const auto& [name, found] : statistics) means[name] = found.spread.mean;
  const std::string text =
      row_text(concat(several ? "mean ± std of " : "mean of ", which), means,
               [&](const std::string& name, double value) {
                 const auto& std = statistics.at(name).spread.std;
                 return fixed(value, 4) + (std ? concat(" ± ", fixed(*std, 4)) : "");
               });
  return several ? text + pooled_text(summary, statistics) : text;
}

/// What was measured on the sites, those aside that the run held out, and on these.
struct EvaluatedSites {
  SplitSummary usual, held_out;
};

std::string table_text(const std::vector<Score>& scores, const Federation& federation,
                       const EvaluatedSites& summaries) {
  std::string text;
  for (const Score& score : scores) {
    const std::string& site = federation.members[score.client.position()].site;
    const bool held_out = summaries.held_out.sites.contains(site);
    const std::string title = held_out ? concat(site, " (held out)") : site;
    text += score.values.empty() ? row_text(title, {}, plain_number)
                                 : row_text(title, score.values, plain_number);
    if (score.values.empty()) text.insert(text.size() - 1, "  no samples");
  }
  if (!summaries.usual.sites.empty() || summaries.held_out.sites.empty()) {
    text += means_text(summaries.usual, "sites");
  }
  return summaries.held_out.sites.empty() ? text
                                          : text + means_text(summaries.held_out, "held out");
}

/// Makes the model that of `owner`, or, where that is empty, of the site of `data`: with what the
/// site has for itself, or, where the run held it out, as the run measured it.
void make_that_of(const LoadedModel& loaded, const ClientData& data, const std::string& owner,
                  const Algorithm& algorithm) {
  if (!owner.empty()) {
    return personalize(*loaded.model, personal_state(loaded, owner, algorithm), algorithm);
  }
  const auto& held_out = loaded.run.hold_out;
  if (std::ranges::find(held_out, data.site) == held_out.end()) {
    return personalize(*loaded.model, personal_state(loaded, data.site, algorithm), algorithm);
  }
  const SimulationOptions& options = loaded.run.simulation;
  if (options.new_sites == NewSiteStatistics::estimated) {
    recompute_statistics(*loaded.model, data.split(Split::train), options.local.batches);
  }
}

/// The text of an option that may be missing.
std::string given_text(const po::variables_map& given, const char* option) {
  return given.contains(option) ? given[option].as<std::string>() : "";
}

/// Refuses, before the work, files that could not be written after it.
void check_outputs(const po::variables_map& given) {
  const std::string checkpoint = given["checkpoint"].as<std::string>();
  for (const char* option : {"output", "summary", "per-sample"}) {
    const std::string path = given_text(given, option);
    if (path.empty()) continue;
    check_replaceable(path);
    std::error_code failed;
    HARMOFL_VALIDATE(!std::filesystem::equivalent(path, checkpoint, failed), path,
                     ": is the checkpoint that is read. Give --", option, " another name.");
  }
}

/// What is measured: what --measures says, else what the run measured.
MeasureOptions measures_of(const po::variables_map& given, const LoadedModel& loaded,
                           const ProblemShape& shape) {
  const SimulationOptions& run = loaded.run.simulation;
  if (!given.contains("measures")) {
    return {shape.task, shape.classes, with_measures(run, shape.task).measures};
  }
  const auto asked = parse_measures("--measures", given["measures"].as<std::string>());
  return {shape.task, shape.classes, measures_for(shape.task, asked, "", "--measures")};
}

/// The scores of this rank's share of the sites.
std::vector<Score> own_scores(const LoadedModel& loaded, const Federation& federation, Split split,
                              const std::string& owner, MeasureOptions measures,
                              const Communicator& comm) {
  const SimulationOptions& options = loaded.run.simulation;
  const auto algorithm = make_algorithm(loaded.algorithm, options.algorithm_values);
  const torch::Tensor global = loaded.model->state().state().clone();
  std::vector<double> costs;
  for (const Member& member : federation.members) {
    costs.push_back(static_cast<double>(member.count(split)));
  }
  const std::vector<Rank> placement = place(costs, comm.size());
  ShardPool shards(federation.shard_paths());
  std::vector<Score> scores;
  for (ClientId id{0}; id.value() < federation.size(); ++id) {
    if (placement[id.position()] != comm.rank()) continue;
    const Member& member = federation.members[id.position()];
    const ClientData data =
        load_client(member.part, shards, loaded.model->device(), loaded.run.residence);
    loaded.model->state().state().copy_(global);
    make_that_of(loaded, data, owner, *algorithm);
    measures.spacing = federation.spacing_of(member, split);
    const MetricSums sums = measure_split(*loaded.model, data.split(split), measures,
                                          options.local.loss, options.local.batches.batch_size);
    scores.push_back({id, split, sums.values(), 0.0, sums.samples()});
  }
  return scores;
}

EvaluatedSites summarize_sites(const std::vector<Score>& scores, Split split,
                               const MeasureOptions& measures, const Federation& federation,
                               const std::vector<std::string>& hold_out) {
  const auto summary_of = [&](bool held_out) {
    return summarize(scores, split, measures, federation.class_names, [&](ClientId id) {
      const std::string& site = federation.members[id.position()].site;
      const bool is_held_out = std::ranges::find(hold_out, site) != hold_out.end();
      return is_held_out == held_out ? site : std::string();
    });
  };
  return {summary_of(false), summary_of(true)};
}

/// Writes the files that were asked for. On the root.
void write_outputs(const po::variables_map& given, const std::vector<Score>& scores,
                   const Federation& federation, const MeasureOptions& measures,
                   const EvaluatedSites& summaries) {
  if (const std::string path = given_text(given, "output"); !path.empty()) {
    write_text_file(path, table_of(scores, federation).dump(2) + "\n");
  }
  if (const std::string path = given_text(given, "summary"); !path.empty()) {
    nlohmann::json table = summary_table(summaries.usual);
    if (!summaries.held_out.sites.empty()) {
      table["held_out"] = summary_table(summaries.held_out);
    }
    if (need_surfaces(measures.names)) {
      table["distance_unit"] = federation.spacing.empty() ? "pixel" : "mm";
    }
    write_text_file(path, table.dump(2) + "\n");
  }
  const std::string path = given_text(given, "per-sample");
  if (path.empty()) return;
  ShardPool shards(federation.shard_paths());
  write_text_file(path,
                  sample_rows(scores, federation, measures, [&](const Member& member, Split split) {
                    return sample_ids(member, split, shards);
                  }));
}

}  // namespace

ExitCode evaluate_checkpoint(const Arguments& arguments, const Communicator& comm) {
  std::optional<po::variables_map> given;
  comm.agree([&] { given = parse_command("evaluate", arguments, evaluate_options()); });
  if (given->contains("help")) {
    print(concat(evaluate_options()), comm);
    return ExitCode::done;
  }
  comm.agree([&] {
    if (comm.is_root()) check_outputs(*given);
  });
  const Federation federation = open_federation((*given)["shards"].as<std::string>(), comm);
  Split split{};
  DeviceWish wish;
  comm.agree([&] {
    split = parse_split((*given)["split"].as<std::string>());
    wish = device_wish(*given);
  });
  const std::string path = given_text(*given, "checkpoint"), site = given_text(*given, "site");
  const LoadedModel loaded = load_model(path, federation.shape, wish, comm);
  MeasureOptions measures;
  comm.agree([&] {
    if (!site.empty()) check_site(loaded.checkpoint, site, path);
    measures = measures_of(*given, loaded, federation.shape);
  });
  std::vector<Score> scores;
  comm.agree([&] { scores = own_scores(loaded, federation, split, site, measures, comm); });
  scores = gather_scores(scores, comm);
  const EvaluatedSites summaries =
      summarize_sites(scores, split, measures, federation, loaded.run.hold_out);
  comm.agree([&] {
    if (comm.is_root()) write_outputs(*given, scores, federation, measures, summaries);
  });
  print(table_text(scores, federation, summaries), comm);
  return ExitCode::done;
}

}  // namespace harmofl
