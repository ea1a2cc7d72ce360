// SPDX-License-Identifier: Apache-2.0
#include "data/partition/partition_kinds.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace harmofl {
namespace {

/// A name of a group of files: letters, digits, '.', '-' and '_', other bytes as '_'.
std::string safe(const std::string& name) {
  std::string text = name;
  for (char& c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && c != '.' && c != '-' && c != '_') c = '_';
  }
  return text;
}

/// Names that are alike once made safe get a number behind them.
std::string distinct(const std::string& name, std::set<std::string>& taken) {
  std::string candidate = name;
  for (int number = 2; !taken.insert(candidate).second; ++number) {
    candidate = concat(name, "_", number);
  }
  return candidate;
}

void check_named(const ShardIndex& shard, Split split) {
  constexpr const char* remedy =
      " Make the shards with harmofl-prepare and a list (--list) with the column patient, or take "
      "another data.partition.";
  const SplitIndex& index = shard.split(split);
  HARMOFL_VALIDATE(index.ids.empty() || !index.groups.empty(), shard.path.string(),
                   ": names no patients in ", to_string(split),
                   ", so there is no client a patient.", remedy);
  for (std::size_t row = 0; row < index.groups.size(); ++row) {
    HARMOFL_VALIDATE(!index.groups[row].empty(), shard.path.string(), ": image '", index.ids[row],
                     "' in ", to_string(split), " has no patient.", remedy);
  }
}

/// The clients of one shard, as positions in the partition.
struct Patients {
  std::map<std::string, std::size_t>
      clients;            ///< Client of each patient, those dealt to others included.
  std::size_t first = 0;  ///< First client of the patients with training samples.
  std::size_t count = 0;
};

/// Makes a client of every patient with training samples.
Patients add_patients(const ShardIndex& shard, Partition& partition, std::set<std::string>& names) {
  Patients patients;
  patients.first = partition.clients.size();
  for (const std::string& patient : shard.split(Split::train).groups) {
    if (!patients.clients.try_emplace(patient, partition.clients.size()).second) continue;
    const std::string name = concat(safe(shard.info.site), "_", safe(patient));
    partition.clients.push_back({distinct(name, names), {}});
  }
  patients.count = partition.clients.size() - patients.first;
  return patients;
}

/// Gives every sample to the client of its patient, and new patients to the clients in turn.
void add_samples(const ShardIndex& shard, std::int64_t position, Split split, Patients& patients,
                 Partition& partition, std::size_t& turn) {
  const SplitIndex& index = shard.split(split);
  // A site without training samples has no client of its own: all clients take its patients.
  const bool own = patients.count > 0;
  const std::size_t first = own ? patients.first : 0;
  const std::size_t count = own ? patients.count : partition.clients.size();
  for (std::int64_t row = 0; row < index.count(); ++row) {
    const std::string& patient = index.groups[static_cast<std::size_t>(row)];
    const auto [found, fresh] = patients.clients.try_emplace(patient, first + turn % count);
    if (fresh) ++turn;
    partition.clients[found->second].samples[static_cast<std::size_t>(split)].push_back(
        {position, row});
  }
}

}  // namespace

Partition by_site(const std::vector<ShardIndex>& shards) {
  Partition partition;
  for (std::int64_t shard = 0; shard < std::ssize(shards); ++shard) {
    const ShardIndex& source = shards[static_cast<std::size_t>(shard)];
    ClientPart part{source.info.site, {}};
    for (const Split split : all_splits) {
      for (std::int64_t row = 0; row < source.split(split).count(); ++row) {
        part.samples[static_cast<std::size_t>(split)].push_back({shard, row});
      }
    }
    partition.clients.push_back(std::move(part));
  }
  return partition;
}

Partition all_pooled(const std::vector<ShardIndex>& shards) {
  ClientPart pool{"pooled", {}};
  for (const ClientPart& site : by_site(shards).clients) {
    for (std::size_t split = 0; split < pool.samples.size(); ++split) {
      const std::vector<SampleRef>& own = site.samples[split];
      pool.samples[split].insert(pool.samples[split].end(), own.begin(), own.end());
    }
  }
  return {{std::move(pool)}};
}

Partition by_patient(const std::vector<ShardIndex>& shards) {
  Partition partition;
  std::set<std::string> names;
  std::vector<Patients> patients;
  for (const ShardIndex& shard : shards) {
    for (const Split split : all_splits) check_named(shard, split);
    patients.push_back(add_patients(shard, partition, names));
  }
  HARMOFL_VALIDATE(!partition.clients.empty(),
                   "No shard holds training samples, so there is no client a patient. Make shards "
                   "with harmofl-prepare.");
  for (std::size_t shard = 0; shard < shards.size(); ++shard) {
    for (const Split split : all_splits) {
      std::size_t turn = 0;
      add_samples(shards[shard], static_cast<std::int64_t>(shard), split, patients[shard],
                  partition, turn);
    }
  }
  for (ClientPart& part : partition.clients) {
    for (std::vector<SampleRef>& samples : part.samples) std::ranges::sort(samples);
  }
  return partition;
}

}  // namespace harmofl
