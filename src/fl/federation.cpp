#include "harmofl/fl/federation.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <set>

namespace harmofl {
namespace {

using nlohmann::json;

ProblemShape shape_of(const ShardInfo& info) {
  return {info.task, static_cast<std::int64_t>(info.class_names.size()), info.channels, info.height,
          info.width};
}

std::string text_of(const ProblemShape& shape) {
  return concat(to_string(shape.task), " of ", shape.channels, "x", shape.height, "x", shape.width,
                " images into ", shape.classes, " classes");
}

Member read_member(const ShardReader& shard) {
  Member member{shard.info().site, shard.path(), {}, {}};
  for (const Split split : all_splits) {
    const auto index = static_cast<std::size_t>(split);
    member.counts[index] = shard.count(split);
    member.checksums[index] = shard.stored_checksum(split);
  }
  return member;
}

Federation read_headers(const std::filesystem::path& folder) {
  Federation federation;
  std::set<std::string> sites;
  for (const auto& path : list_shards(folder)) {
    const ShardReader shard(path);
    const ProblemShape shape = shape_of(shard.info());
    if (federation.members.empty()) {
      federation.shape = shape;
      federation.class_names = shard.info().class_names;
    }
    HARMOFL_VALIDATE(text_of(shape) == text_of(federation.shape), path.string(), ": holds a ",
                     text_of(shape), ", but ", federation.members.front().shard.string(), " a ",
                     text_of(federation.shape), ". All shards of a run must agree.");
    HARMOFL_VALIDATE(shard.info().class_names == federation.class_names, path.string(),
                     ": classes are ", join(shard.info().class_names), ", but those of ",
                     federation.members.front().shard.string(), " are ",
                     join(federation.class_names), ". All shards of a run must agree.");
    HARMOFL_VALIDATE(sites.insert(shard.info().site).second, path.string(), ": site '",
                     shard.info().site, "' is already that of another shard in ", folder.string(),
                     ". Give every site a name of its own.");
    federation.members.push_back(read_member(shard));
  }
  return federation;
}

std::string pack(const Federation& federation) {
  json members = json::array();
  for (const Member& m : federation.members) {
    members.push_back({m.site, m.shard.string(), m.counts, m.checksums});
  }
  const ProblemShape& s = federation.shape;
  return json{{"shape", {s.task, s.classes, s.channels, s.height, s.width}},
              {"class_names", federation.class_names},
              {"members", members}}
      .dump();
}

Federation unpack(const std::string& text) {
  const json packed = json::parse(text);
  const json& s = packed.at("shape");
  Federation federation{{s[0], s[1], s[2], s[3], s[4]}, packed.at("class_names"), {}};
  for (const json& m : packed.at("members")) {
    federation.members.push_back(
        {m[0], std::filesystem::path(m[1].get<std::string>()), m[2], m[3]});
  }
  return federation;
}

}  // namespace

std::int64_t Federation::smallest() const {
  HARMOFL_EXPECT(!members.empty());
  std::int64_t least = members.front().count(Split::train);
  for (const Member& member : members) least = std::min(least, member.count(Split::train));
  return least;
}

Federation open_federation(const std::filesystem::path& folder, const Communicator& comm) {
  std::string packed;
  comm.agree([&] {
    if (comm.is_root()) packed = pack(read_headers(folder));
  });
  comm.broadcast(packed);
  return unpack(packed);
}

std::vector<double> aggregation_weights(const Federation& federation, Weighting weighting,
                                        bool truncate) {
  const bool equal = weighting == Weighting::uniform || truncate;
  std::vector<double> weights;
  for (const Member& member : federation.members) {
    weights.push_back(equal ? 1.0 : static_cast<double>(member.count(Split::train)));
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= sum;
  return weights;
}

std::vector<Rank> place(const std::vector<std::int64_t>& costs, std::int64_t ranks) {
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return costs[i]; });
  std::vector<std::int64_t> load(static_cast<std::size_t>(ranks), 0);
  std::vector<std::int64_t> clients(static_cast<std::size_t>(ranks), 0);
  std::vector<Rank> owner(costs.size());
  for (const std::size_t client : order) {
    std::size_t best = 0;  // least load, then fewest clients, then lowest rank
    for (std::size_t rank = 1; rank < load.size(); ++rank) {
      if (std::pair(load[rank], clients[rank]) < std::pair(load[best], clients[best])) best = rank;
    }
    owner[client] = Rank(static_cast<std::int64_t>(best));
    load[best] += costs[client];
    ++clients[best];
  }
  return owner;
}

}  // namespace harmofl
