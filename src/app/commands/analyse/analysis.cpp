// SPDX-License-Identifier: Apache-2.0
#include "app/commands/analyse/analysis.hpp"

#include "base/log.hpp"
#include "io/atomic_file.hpp"

#include <torch/utils.h>

#include <optional>
#include <system_error>
#include <utility>

namespace harmofl {

namespace po = boost::program_options;

namespace {

AnalysisOptions read_common_options(const std::string& kind, const GivenOptions& given) {
  const std::string checkpoint = given["checkpoint"].as<std::string>();
  const bool elsewhere = given.contains("output");
  std::filesystem::path folder = elsewhere ? given["output"].as<std::string>() : checkpoint;
  if (!elsewhere) folder = folder.parent_path();
  return {kind,
          checkpoint,
          given["shards"].as<std::string>(),
          folder.empty() ? std::filesystem::path(".") : folder,
          parse_split(given["split"].as<std::string>()),
          whole_option(given, "most", {0})};
}

void check_samples(const Federation& federation, Split split) {
  for (const Member& member : federation.members) {
    HARMOFL_VALIDATE(member.count(split) > 0, member.shard.string(), ": site ", member.site,
                     " has no samples in split ", to_string(split), ". Choose another --split.");
  }
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  HARMOFL_VALIDATE(!error, folder.string(), ": the folder cannot be made: ", error.message(),
                   ". Give another --output.");
}

std::filesystem::path result_file(const AnalysisOptions& options, const char* type) {
  return options.output / (options.kind + type);
}

/// What was measured.
nlohmann::ordered_json origin_of(const Analysis& analysis) {
  std::vector<std::string> sites;
  for (const Member& member : analysis.federation.members) sites.push_back(member.site);
  return {{"kind", analysis.options.kind},
          {"checkpoint", printable(analysis.options.checkpoint)},  // JSON is UTF-8
          {"algorithm", analysis.loaded.algorithm},
          {"rounds_done", analysis.loaded.rounds_done},
          {"sites", sites},
          {"split", to_string(analysis.options.split)},
          {"most", analysis.options.max_images},
          {"loss", analysis.loaded.config.text("train.loss")},
          {"batch_size", analysis.batch_size}};
}

}  // namespace

po::options_description analysis_options(const std::string& kind, const std::string& meaning,
                                         const std::string& checkpoint) {
  po::options_description options(concat("usage: [mpirun -n RANKS] harmofl analyse ", kind,
                                         " --checkpoint FILE --shards DIR [OPTIONS]\n", meaning,
                                         "\n\nOptions"));
  options.add_options()("help,h", "show this text")(
      "checkpoint", po::value<std::string>()->required(), checkpoint.c_str())(
      "shards", po::value<std::string>()->required(), "folder with one HDF5 shard a site")(
      "output", po::value<std::string>(), "folder for the results; default that of the checkpoint")(
      "split", text_option("train"), "train | val | test")(
      "most", text_option("0"), "first images of each site to use; 0 is all")(
      "threads", text_option("1"), "compute threads a rank; another number, other last digits");
  add_device_options(options);
  return options;
}

std::unique_ptr<Analysis> open_analysis(const std::string& kind, const Arguments& arguments,
                                        const po::options_description& options,
                                        const std::function<void(const GivenOptions&)>& read,
                                        const Communicator& comm) {
  std::optional<GivenOptions> given;
  AnalysisOptions common;
  DeviceWish wish;
  comm.agree([&] {
    given = parse_command("analyse " + kind, arguments, options);
    if (given->contains("help")) return;
    common = read_common_options(kind, *given);
    wish = device_wish(*given);
    read(*given);
    torch::set_num_threads(static_cast<int>(whole_option(*given, "threads", {1})));
  });
  if (given->contains("help")) {
    print(concat(options), comm);
    return nullptr;
  }
  const Federation federation = open_federation(common.shards, comm);
  comm.agree([&] { check_samples(federation, common.split); });
  LoadedModel loaded = load_model(common.checkpoint, federation.shape, wish, comm);
  std::unique_ptr<Analysis> analysis;
  comm.agree([&] {
    const LossOptions loss = loaded.run.simulation.local.loss;
    const std::int64_t batch_size = loaded.run.simulation.local.batches.batch_size;
    analysis = std::make_unique<Analysis>(
        Analysis{common, federation, std::move(loaded), loss, batch_size});
    if (!comm.is_root()) return;
    make_folder(common.output);
    for (const char* type : {".json", ".csv"}) check_replaceable(result_file(common, type));
  });
  return analysis;
}

Samples load_samples(const Analysis& analysis, ClientId client) {
  const Member& member = analysis.federation.members[client.position()];
  Samples samples =
      load_client(member.shard, analysis.model().device()).split(analysis.options.split);
  if (analysis.options.max_images == 0 || analysis.options.max_images >= samples.count())
    return samples;
  // Copies, so that the others are freed.
  samples.images = samples.images.narrow(0, 0, analysis.options.max_images).clone();
  samples.targets = samples.targets.narrow(0, 0, analysis.options.max_images).clone();
  return samples;
}

std::vector<Rank> place_sites(const Analysis& analysis, const Communicator& comm) {
  std::vector<double> costs;
  for (const Member& member : analysis.federation.members) {
    costs.push_back(static_cast<double>(member.count(analysis.options.split)));
  }
  return place(costs, comm.size());
}

std::vector<torch::Tensor> gather_tensors(std::map<ClientId, torch::Tensor> own,
                                          const std::vector<ClientId>& clients,
                                          const std::vector<Rank>& placement,
                                          const Communicator& comm) {
  std::vector<torch::Tensor> all;
  for (const ClientId id : clients) {
    std::vector<float> values;
    if (own.contains(id)) {
      const torch::Tensor host = own.at(id).cpu().contiguous();
      const auto* first = host.const_data_ptr<float>();
      values.assign(first, first + host.numel());
      own.erase(id);
    }
    values = comm.transfer(placement[id.position()], Rank{0}, std::move(values));
    if (comm.is_root()) all.push_back(torch::tensor(values));
  }
  return all;
}

Landscape open_landscape(const Analysis& analysis, const Communicator& comm) {
  std::optional<Landscape> landscape;
  comm.agree([&] {
    std::vector<Samples> sites;
    for (ClientId id{0}; id.value() < analysis.federation.size(); ++id) {
      sites.push_back(load_samples(analysis, id));
    }
    const ProblemShape& shape = analysis.federation.shape;
    landscape.emplace(
        analysis.model(),
        LandscapeOptions{shape.task, shape.classes, analysis.loss, analysis.batch_size},
        std::move(sites));
  });
  return std::move(*landscape);
}

double norm_of(const torch::Tensor& values) {
  return values.to(torch::kFloat64).norm().item<double>();
}

void report_results(const Analysis& analysis, const nlohmann::ordered_json& facts,
                    const ResultTable& table, const std::string& text, const Communicator& comm) {
  const AnalysisOptions& options = analysis.options;
  comm.agree([&] {
    if (!comm.is_root()) return;
    nlohmann::ordered_json all = origin_of(analysis);
    all.update(facts);
    write_text_file(result_file(options, ".json"), json_text(all, table));
    write_text_file(result_file(options, ".csv"), csv_text(table));
  });
  print(text, comm);
  log::info(concat("done: ", options.output.string(), " holds ", options.kind, ".json, ",
                   options.kind, ".csv"));
}

}  // namespace harmofl
