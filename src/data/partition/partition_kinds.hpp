// SPDX-License-Identifier: Apache-2.0
/// Private to src/data: the partitions that follow what the shards say, without any draw.
#pragma once

#include "harmofl/data/partition.hpp"

#include <vector>

namespace harmofl {

/// One client a shard, in their order, called as its site.
Partition by_site(const std::vector<ShardIndex>& shards);

/// One client a patient with training samples, in the order in which they first come. Patients
/// without any are dealt whole, in turn, to the clients of their site. Throws UserError for a
/// sample without a patient.
Partition by_patient(const std::vector<ShardIndex>& shards);

/// One client with all samples, in the order of shards, called "pooled".
Partition all_pooled(const std::vector<ShardIndex>& shards);

}  // namespace harmofl
