// SPDX-License-Identifier: Apache-2.0
/// What the network of a run takes and gives, and how its images were made: with that a checkpoint
/// is enough to give the model images of one's own.
#pragma once

#include "harmofl/io/shard.hpp"
#include "harmofl/model/network_options.hpp"
#include "io/formats/json.hpp"

#include <string>
#include <vector>

namespace harmofl {

/// How the images of some sites were made.
struct ImageOrigin {
  std::string preprocessing;       ///< JSON of the shards, or any text.
  double intensity_scale = 1.0;    ///< The network sees value / intensity_scale.
  std::vector<std::string> sites;  ///< Names of the sites whose shards say so.

  bool operator==(const ImageOrigin&) const = default;
};

/// Images and classes of a federation.
struct TrainedOn {
  ProblemShape shape;
  std::vector<std::string> class_names;
  std::vector<ImageOrigin> origins;  ///< One for each way in which images were made.
};

/// Adds the images of a shard to `origins`.
void add_origin(const ShardInfo& shard, std::vector<ImageOrigin>& origins);

nlohmann::json to_json(const TrainedOn& trained_on);

/// The inverse of `to_json`. Throws UserError for other JSON.
TrainedOn parse_trained_on(const JsonValue& value);

}  // namespace harmofl
