// SPDX-License-Identifier: Apache-2.0
#include "fl/clients/federation.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

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

Member member_of(const ClientPart& part, const std::vector<ShardIndex>& shards) {
  Member member{part.name, {}, {}, {}, part};
  for (const Split split : all_splits) {
    const auto index = static_cast<std::size_t>(split);
    member.counts[index] = part.count(split);
    member.checksums[index] = part_checksum(part, split, shards);
  }
  return member;
}

/// Refuses shards that cannot be of one run.
void check_agreement(const std::vector<ShardIndex>& shards, const std::filesystem::path& folder) {
  const ShardIndex& first = shards.front();
  std::set<std::string> sites;
  for (const ShardIndex& shard : shards) {
    const std::string shape = text_of(shape_of(shard.info));
    const std::string wanted = text_of(shape_of(first.info));
    HARMOFL_VALIDATE(shape == wanted, shard.path.string(), ": holds a ", shape, ", but ",
                     first.path.string(), " a ", wanted, ". All shards of a run must agree.");
    HARMOFL_VALIDATE(shard.info.class_names == first.info.class_names, shard.path.string(),
                     ": classes are ", join(shard.info.class_names), ", but those of ",
                     first.path.string(), " are ", join(first.info.class_names),
                     ". All shards of a run must agree.");
    HARMOFL_VALIDATE(sites.insert(shard.info.site).second, shard.path.string(), ": site '",
                     shard.info.site, "' is already that of another shard in ", folder.string(),
                     ". Give every site a name of its own.");
  }
}

std::vector<Member> members_of(const std::vector<ShardIndex>& shards,
                               const PartitionOptions& options) {
  std::vector<Member> members;
  for (const ClientPart& part : make_partition(shards, options).clients) {
    members.push_back(member_of(part, shards));
  }
  return members;
}

Federation read_headers(const std::filesystem::path& folder, const PartitionOptions& partition) {
  std::vector<ShardIndex> shards;
  for (const auto& path : list_shards(folder)) shards.push_back(read_shard_index(path));
  check_agreement(shards, folder);
  Federation federation{
      shape_of(shards.front().info), shards.front().info.class_names, {}, members_of(shards, {})};
  for (std::size_t i = 0; i < shards.size(); ++i) federation.sites[i].shard = shards[i].path;
  if (partition.kind == PartitionKind::site) {
    federation.members = federation.sites;
  } else {
    federation.members = members_of(shards, partition);
    std::erase_if(federation.members,
                  [](const Member& member) { return member.count(Split::train) == 0; });
  }
  return federation;
}

json pack(const std::vector<Member>& members) {
  json list = json::array();
  for (const Member& member : members) {
    json rows = json::array();
    for (const Split split : all_splits) {
      std::vector<std::int64_t> flat;
      for (const SampleRef& ref : member.part.split(split)) {
        flat.insert(flat.end(), {ref.shard, ref.row});
      }
      rows.push_back(flat);
    }
    list.push_back({member.site, member.shard.string(), member.counts, member.checksums,
                    member.part.name, rows});
  }
  return list;
}

std::vector<Member> unpack_members(const json& list) {
  std::vector<Member> members;
  for (const json& m : list) {
    Member member{m[0], std::filesystem::path(m[1].get<std::string>()), m[2], m[3], {m[4]}};
    for (const Split split : all_splits) {
      const auto index = static_cast<std::size_t>(split);
      const auto flat = m[5][index].get<std::vector<std::int64_t>>();
      for (std::size_t i = 0; i < flat.size(); i += 2) {
        member.part.samples[index].push_back({flat[i], flat[i + 1]});
      }
    }
    members.push_back(std::move(member));
  }
  return members;
}

std::string pack(const Federation& federation) {
  const ProblemShape& s = federation.shape;
  std::string packed;
  json::to_msgpack({{"shape", {s.task, s.classes, s.channels, s.height, s.width}},
                    {"class_names", federation.class_names},
                    {"members", pack(federation.members)},
                    {"sites", pack(federation.sites)}},
                   packed);
  return packed;
}

Federation unpack(const std::string& text) {
  const json packed = json::from_msgpack(text);
  const json& s = packed.at("shape");
  return {{s[0], s[1], s[2], s[3], s[4]},
          packed.at("class_names"),
          unpack_members(packed.at("members")),
          unpack_members(packed.at("sites"))};
}

}  // namespace

std::int64_t Federation::smallest() const {
  HARMOFL_EXPECT(!members.empty());
  std::int64_t least = members.front().count(Split::train);
  for (const Member& member : members) least = std::min(least, member.count(Split::train));
  return least;
}

std::vector<std::filesystem::path> Federation::shard_paths() const {
  std::vector<std::filesystem::path> paths;
  for (const Member& site : sites) paths.push_back(site.shard);
  return paths;
}

Federation open_federation(const std::filesystem::path& folder, const Communicator& comm,
                           const PartitionOptions& partition) {
  std::string packed;
  comm.agree([&] {
    if (comm.is_root()) packed = pack(read_headers(folder, partition));
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

}  // namespace harmofl
