// SPDX-License-Identifier: Apache-2.0
#include "app/provenance.hpp"

#include "app/config/keys.hpp"
#include "base/process/processor.hpp"
#include "base/version.hpp"
#include "harmofl/base/text.hpp"
#include "io/hdf5/hdf5.hpp"

#include <boost/version.hpp>
#include <nlohmann/json.hpp>
#include <torch/utils.h>
#include <torch/version.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <set>
#include <unistd.h>

namespace harmofl {
namespace {

using nlohmann::json;

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text;
}

json libraries() {
  return {{"torch", TORCH_VERSION},
          {"mpi", mpi_library_version()},
          {"hdf5", hdf5::library_version()},
          {"boost", BOOST_LIB_VERSION}};
}

/// The scheduler's variables that tell which job this was.
json scheduler() {
  json found = json::object();
  for (const char* name :
       {"SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_NODELIST", "SLURM_RESTART_COUNT"}) {
    if (const char* value = std::getenv(name)) found[name] = printable(value);
  }
  return found;
}

json sections(const Config& config) {
  json all = json::object();
  for (const Key& key : config_keys()) {
    all[key.section()][key.last_part()] = config.text(key.name);
  }
  return all;
}

std::vector<std::string> sites_of(Rank rank, const Federation& federation,
                                  const std::vector<Rank>& placement) {
  std::vector<std::string> sites;
  for (std::size_t i = 0; i < placement.size(); ++i) {
    if (placement[i] == rank) sites.push_back(federation.members[i].site);
  }
  return sites;
}

/// The names of a few clients, the number of many.
std::string clients_text(const std::vector<std::string>& names) {
  constexpr std::size_t few = 12;
  return names.size() <= few ? join(names) : concat(names.size(), " clients");
}

/// "100 of 2000 clients a round, uniform", where not all take part.
std::string cohort_text(const CohortOptions& cohort, std::int64_t clients) {
  if (cohort.size == 0) return concat(clients, " clients");
  return concat(cohort.size, " of ", clients, " clients a round");
}

/// "; held out: north, south", where some sites are.
std::string held_out_text(const Federation& federation) {
  std::vector<std::string> names;
  for (const Member& site : federation.held_out) names.push_back(site.site);
  return names.empty() ? "" : concat("; held out: ", clients_text(names));
}

}  // namespace

std::vector<RankPlace> describe_ranks(const Communicator& comm, const std::string& device,
                                      std::int64_t lanes) {
  const json own = {comm.host(), device,   torch::get_num_threads(),
                    lanes,       getpid(), processor_model()};
  std::vector<RankPlace> places;
  for (const std::string& text : comm.all_gather(own.dump())) {
    const json place = json::parse(text);
    places.push_back({place[0], place[1], place[2], place[3], place[4], place[5]});
  }
  return places;
}

json run_record(const RunOptions& run, const Config& config, const Federation& federation,
                const std::vector<Rank>& placement, const std::vector<RankPlace>& ranks,
                std::int64_t parameters) {
  const BuildInfo& build = build_info();
  json record = {{"name", run.name},
                 {"started", utc_now()},
                 {"harmofl",
                  {{"version", build.version},
                   {"git_commit", build.git_commit},
                   {"build_type", build.build_type},
                   {"compiler", build.compiler},
                   {"cuda", build.cuda}}},
                 {"libraries", libraries()},
                 {"scheduler", scheduler()},
                 {"model_parameters", parameters},
                 {"config", sections(config)},
                 {"ranks", json::array()},
                 {"shards", json::array()}};
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    record["ranks"].push_back(
        {{"rank", i},
         {"host", ranks[i].host},
         {"device", ranks[i].device},
         {"lanes", ranks[i].lanes},
         {"threads", ranks[i].threads},
         {"process_id", ranks[i].process_id},
         {"processor", ranks[i].processor},
         {"sites", sites_of(Rank(static_cast<std::int64_t>(i)), federation, placement)}});
  }
  std::vector<Member> shards = federation.sites;
  shards.insert(shards.end(), federation.held_out.begin(), federation.held_out.end());
  for (const Member& member : shards) {
    json shard = {{"site", member.site}, {"path", member.shard.string()}};
    if (std::ssize(record["shards"]) >= std::ssize(federation.sites)) shard["held_out"] = true;
    for (const Split split : all_splits) {
      const auto index = static_cast<std::size_t>(split);
      shard[std::string(to_string(split))] = {{"samples", member.counts[index]},
                                              {"xxh3", member.checksums[index]}};
    }
    record["shards"].push_back(shard);
  }
  return record;
}

namespace {

/// "unet of width 32", or the file of one of the user's own.
std::string network_text(const RunOptions& run) {
  const NetworkOptions& network = run.simulation.model.network;
  if (network.script) return concat("the network of ", run.script.string());
  return concat(network.name, " of width ", network.width);
}

}  // namespace

std::string banner(const RunOptions& run, const Federation& federation,
                   const std::vector<Rank>& placement, const std::vector<RankPlace>& ranks,
                   std::int64_t parameters) {
  const BuildInfo& build = build_info();
  const SimulationOptions& s = run.simulation;
  const ProblemShape& shape = federation.shape;
  std::set<std::string> hosts;
  for (const RankPlace& place : ranks) hosts.insert(place.host);
  std::string text = concat(
      "harmofl ", build.version, " (", build.git_commit, ")  run '", run.name, "' -> ",
      run.output.string(), "\n  ", s.algorithm, ": amplitude ", band_text(s.model.amplitude),
      ", alpha ", s.local.perturbation.alpha, "; ", network_text(run), ", ", parameters,
      " parameters\n  ", cohort_text(s.cohort, federation.size()), " on ", ranks.size(), " ranks, ",
      hosts.size(), " host(s); ", to_string(shape.task), " of ", shape.channels, "x", shape.height,
      "x", shape.width, "; ", s.rounds, " rounds", held_out_text(federation), "\n");
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    text +=
        concat("  rank ", i, " on ", ranks[i].host, ", ", ranks[i].device, ", ",
               ranks[i].lanes > 1 ? concat(ranks[i].lanes, " lanes of ") : "", ranks[i].threads,
               " thread(s): ",
               clients_text(sites_of(Rank(static_cast<std::int64_t>(i)), federation, placement)),
               i + 1 < ranks.size() ? "\n" : "");
  }
  return text;
}

}  // namespace harmofl
