// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands.hpp"
#include "app/load_model.hpp"
#include "fl/aggregate/exchange.hpp"
#include "fl/local/evaluation.hpp"
#include "io/atomic_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
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
      "output", po::value<std::string>(), "write the table to this JSON file too");
  return options;
}

nlohmann::json table_of(const std::vector<Score>& scores, const Federation& federation) {
  nlohmann::json sites = nlohmann::json::object();
  for (const Score& score : scores) {
    sites[federation.members[score.client.position()].site] = score.values;
  }
  return sites;
}

std::string table_text(const std::vector<Score>& scores, const Federation& federation) {
  std::ostringstream out;
  std::map<std::string, std::vector<double>> columns;
  for (const Score& score : scores) {
    out << std::left << std::setw(20) << federation.members[score.client.position()].site;
    for (const auto& [name, value] : score.values) {
      out << "  " << name << " " << fixed(value, 4);
      columns[name].push_back(value);
    }
    out << (score.values.empty() ? "  no samples\n" : "\n");
  }
  const bool several =
      std::ranges::any_of(columns, [](const auto& c) { return c.second.size() > 1; });
  out << std::left << std::setw(20) << (several ? "mean ± std of sites" : "mean of sites");
  for (const auto& [name, values] : columns) {
    const Spread s = spread(values);
    out << "  " << name << " " << fixed(s.mean, 4);
    if (s.std) out << " ± " << fixed(*s.std, 4);
  }
  return out.str() + "\n";
}

}  // namespace

ExitCode evaluate_checkpoint(const Arguments& arguments, const Communicator& comm) {
  std::optional<po::variables_map> given;
  comm.agree([&] { given = parse_command("evaluate", arguments, evaluate_options()); });
  if (given->contains("help")) {
    print(concat(evaluate_options()), comm);
    return ExitCode::done;
  }
  const std::string path = (*given)["checkpoint"].as<std::string>();
  const Federation federation = open_federation((*given)["shards"].as<std::string>(), comm);
  std::vector<Score> scores;
  comm.agree([&] {
    const Split split = parse_split((*given)["split"].as<std::string>());
    const CheckpointReader checkpoint(path);
    const LoadedModel loaded = load_model(path, federation.shape);
    const SimulationOptions& options = loaded.run.simulation;
    const auto algorithm = make_algorithm(loaded.algorithm, options.algorithm_values);
    const torch::Tensor global = loaded.model->state().state().clone();
    std::vector<double> costs;
    for (const Member& member : federation.members)
      costs.push_back(static_cast<double>(member.count(split)));
    const std::vector<Rank> placement = place(costs, comm.size());
    for (ClientId id{0}; id.value() < federation.size(); ++id) {
      if (placement[id.position()] != comm.rank()) continue;
      const ClientData data = load_client(federation.members[id.position()].shard, torch::kCPU);
      loaded.model->state().state().copy_(global);
      personalize(*loaded.model, load_personal(checkpoint, path, data.site, *algorithm),
                  *algorithm);
      scores.push_back(
          {id, split,
           evaluate(*loaded.model, data.split(split), federation.shape.task,
                    federation.shape.classes, options.local.loss, options.local.batches.batch_size),
           0.0});
    }
  });
  scores = gather_scores(scores, comm);
  print(table_text(scores, federation), comm);
  if (comm.is_root() && given->contains("output")) {
    write_text_file((*given)["output"].as<std::string>(),
                    table_of(scores, federation).dump(2) + "\n");
  }
  return ExitCode::done;
}

}  // namespace harmofl
