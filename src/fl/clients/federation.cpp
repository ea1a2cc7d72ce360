// SPDX-License-Identifier: Apache-2.0
#include "fl/clients/federation.hpp"

#include "data/partition/partition_file.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace harmofl {
namespace {

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

std::vector<Member> members_of(const Partition& partition, const std::vector<ShardIndex>& shards) {
  std::vector<Member> members;
  for (const ClientPart& part : partition.clients) members.push_back(member_of(part, shards));
  return members;
}

Federation read_headers(const std::filesystem::path& folder, const PartitionOptions& options) {
  std::vector<ShardIndex> shards;
  for (const auto& path : list_shards(folder)) shards.push_back(read_shard_index(path));
  check_agreement(shards, folder);
  Federation federation{shape_of(shards.front().info),
                        shards.front().info.class_names,
                        {},
                        members_of(make_partition(shards, {}), shards)};
  for (std::size_t i = 0; i < shards.size(); ++i) federation.sites[i].shard = shards[i].path;
  if (options.kind == PartitionKind::site) {
    federation.members = federation.sites;
  } else {
    const Partition partition = make_partition(shards, options);
    federation.partition_csv = partition_text(partition, shards);
    federation.members = members_of(partition, shards);
    std::erase_if(federation.members,
                  [](const Member& member) { return member.count(Split::train) == 0; });
  }
  return federation;
}

// Texts may be of any bytes (paths are), so that their lengths go with them.
void broadcast_texts(std::vector<std::string>& texts, const Communicator& comm) {
  std::vector<std::int64_t> lengths;
  for (const std::string& text : texts) lengths.push_back(std::ssize(text));
  std::string all = join(texts, "");
  comm.broadcast(lengths);
  comm.broadcast(all);
  texts.clear();
  std::size_t position = 0;
  for (const std::int64_t length : lengths) {
    texts.push_back(all.substr(position, static_cast<std::size_t>(length)));
    position += texts.back().size();
  }
}

/// Members without their samples, as texts: `texts_each` of each.
constexpr std::size_t texts_each = 6;

std::vector<std::string> texts_of(const std::vector<Member>& members) {
  std::vector<std::string> texts;
  for (const Member& member : members) {
    texts.insert(texts.end(), {member.site, member.shard.string(), member.part.name});
    texts.insert(texts.end(), member.checksums.begin(), member.checksums.end());
  }
  return texts;
}

std::vector<Member> members_of(const std::vector<std::string>& texts) {
  std::vector<Member> members;
  for (auto text = texts.begin(); text != texts.end(); text += texts_each) {
    members.push_back({text[0], text[1], {}, {text[3], text[4], text[5]}, {text[2]}});
  }
  return members;
}

void broadcast(std::vector<Member>& members, const Communicator& comm) {
  std::vector<std::string> texts = texts_of(members);
  std::vector<std::int64_t> counts;
  std::vector<SampleRef> samples;
  for (const Member& member : members) {
    counts.insert(counts.end(), member.counts.begin(), member.counts.end());
    for (const auto& split : member.part.samples) {
      samples.insert(samples.end(), split.begin(), split.end());
    }
  }
  broadcast_texts(texts, comm);
  comm.broadcast(counts);
  comm.broadcast(samples);
  members = members_of(texts);
  auto count = counts.begin();
  auto sample = samples.begin();
  for (Member& member : members) {
    for (std::size_t split = 0; split < member.counts.size(); ++split, sample += *count++) {
      member.counts[split] = *count;
      member.part.samples[split].assign(sample, sample + *count);
    }
  }
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
  Federation federation;
  comm.agree([&] {
    if (comm.is_root()) federation = read_headers(folder, partition);
  });
  comm.broadcast_value(federation.shape);
  broadcast_texts(federation.class_names, comm);
  broadcast(federation.members, comm);
  broadcast(federation.sites, comm);
  return federation;
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
