// SPDX-License-Identifier: Apache-2.0
#include "fl/clients/federation.hpp"

#include "data/partition/partition_file.hpp"

#include <algorithm>
#include <functional>
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

std::vector<SiteData> data_of(const std::vector<ShardIndex>& shards) {
  std::vector<SiteData> data;
  for (const ShardIndex& shard : shards) {
    SiteData& site = data.emplace_back();
    site.site = shard.info.site;
    site.intensity_scale = shard.info.intensity_scale;
    for (const Split split : all_splits) {
      const auto index = static_cast<std::size_t>(split);
      site.counts[index] = shard.split(split).count();
      site.checksums[index] = shard.split(split).checksum;
    }
  }
  return data;
}

/// Refuses shards that cannot be of one run.
void check_agreement(const std::vector<ShardIndex>& shards) {
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
                     shard.info.site, "' is already that of another shard in ",
                     shard.path.parent_path().string(), ". Give every site a name of its own.");
  }
}

/// Moves the shards of the sites in `hold_out` out of `shards`.
std::vector<ShardIndex> take_held_out(std::vector<ShardIndex>& shards,
                                      const std::vector<std::string>& hold_out) {
  const std::string folder = shards.front().path.parent_path().string();
  std::vector<std::string> sites;
  for (const ShardIndex& shard : shards) sites.push_back(shard.info.site);
  for (const std::string& name : hold_out) {
    if (std::ranges::find(sites, name) != sites.end()) continue;
    throw UserError(
        concat(folder, ": data.hold_out: ", unknown(concat("site '", name, "'"), name, sites)));
  }
  std::vector<ShardIndex> trained, held;
  for (ShardIndex& shard : shards) {
    const bool out = std::ranges::find(hold_out, shard.info.site) != hold_out.end();
    (out ? held : trained).push_back(std::move(shard));
  }
  HARMOFL_VALIDATE(!trained.empty(), folder, ": data.hold_out = ", join(hold_out, ","),
                   " leaves no site to train on. Hold out fewer.");
  shards = std::move(trained);
  return held;
}

/// What all shards say of their pixels' distances; nothing unless each does.
std::vector<std::array<double, 2>> spacing_of(const std::vector<ShardIndex>& shards) {
  std::vector<std::array<double, 2>> spacing;
  for (const ShardIndex& shard : shards) {
    if (!shard.info.spacing) return {};
    spacing.push_back(*shard.info.spacing);
  }
  return spacing;
}

std::vector<Member> members_of(const Partition& partition, const std::vector<ShardIndex>& shards) {
  std::vector<Member> members;
  for (const ClientPart& part : partition.clients) members.push_back(member_of(part, shards));
  return members;
}

/// The sites of `shards`, which are those from `first` on in the order of parts.
std::vector<Member> sites_of(const std::vector<ShardIndex>& shards, std::size_t first) {
  std::vector<Member> sites = members_of(make_partition(shards, {}), shards);
  for (std::size_t i = 0; i < sites.size(); ++i) {
    sites[i].shard = shards[i].path;
    for (auto& samples : sites[i].part.samples) {
      for (SampleRef& sample : samples) sample.shard += static_cast<std::int64_t>(first);
    }
  }
  return sites;
}

Federation read_headers(const std::vector<std::filesystem::path>& paths,
                        const PartitionOptions& options, const std::vector<std::string>& hold_out) {
  std::vector<ShardIndex> shards;
  for (const auto& path : paths) shards.push_back(read_shard_index(path));
  check_agreement(shards);
  const std::vector<ShardIndex> held = take_held_out(shards, hold_out);
  Federation federation{
      shape_of(shards.front().info), shards.front().info.class_names, {}, sites_of(shards, 0)};
  if (!held.empty()) federation.held_out = sites_of(held, shards.size());
  for (const ShardIndex& shard : shards) add_origin(shard.info, federation.origins);
  if (options.kind == PartitionKind::site) {
    federation.members = federation.sites;
  } else {
    const Partition partition = make_partition(shards, options);
    federation.partition_csv = partition_text(partition, shards);
    federation.members = members_of(partition, shards);
    std::erase_if(federation.members,
                  [](const Member& member) { return member.count(Split::train) == 0; });
  }
  shards.insert(shards.end(), held.begin(), held.end());
  federation.data = data_of(shards);
  federation.spacing = spacing_of(shards);
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

/// Makes the federation of every rank that of the root.
void share(Federation& federation, const Communicator& comm) {
  comm.broadcast_value(federation.shape);
  broadcast_texts(federation.class_names, comm);
  broadcast(federation.members, comm);
  broadcast(federation.sites, comm);
  broadcast(federation.held_out, comm);
  comm.broadcast(federation.spacing);
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
  for (const Member& site : held_out) paths.push_back(site.shard);
  return paths;
}

const Member& Federation::measured_at(ClientId measured_id) const {
  const std::size_t position = measured_id.position(), first = measured().size();
  return position < first ? measured()[position] : held_out.at(position - first);
}

std::vector<std::array<double, 2>> Federation::spacing_of(const Member& member, Split split) const {
  std::vector<std::array<double, 2>> all;
  if (spacing.empty()) return all;
  for (const SampleRef& sample : member.part.split(split)) {
    all.push_back(spacing.at(static_cast<std::size_t>(sample.shard)));
  }
  const bool same = std::ranges::adjacent_find(all, std::not_equal_to{}) == all.end();
  if (same && !all.empty()) all.resize(1);
  return all;
}

Federation open_federation(const std::filesystem::path& folder, const Communicator& comm,
                           const PartitionOptions& partition,
                           const std::vector<std::string>& hold_out) {
  Federation federation;
  comm.agree([&] {
    if (comm.is_root()) federation = read_headers(list_shards(folder), partition, hold_out);
  });
  share(federation, comm);
  return federation;
}

Federation open_shards(const std::vector<std::filesystem::path>& paths, const Communicator& comm) {
  Federation federation;
  comm.agree([&] {
    if (comm.is_root()) federation = read_headers(paths, {}, {});
  });
  share(federation, comm);
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
