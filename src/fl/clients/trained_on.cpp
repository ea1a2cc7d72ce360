// SPDX-License-Identifier: Apache-2.0
#include "fl/clients/trained_on.hpp"

#include "harmofl/base/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace harmofl {
namespace {

using nlohmann::json;

constexpr WholeRange any_size{1, std::numeric_limits<std::int32_t>::max()};

std::vector<std::string> texts_of(const JsonValue& list) {
  std::vector<std::string> texts;
  for (const JsonValue& item : list.items()) texts.push_back(item.text());
  return texts;
}

Task parse_task(const JsonValue& value) {
  for (const Task task : {Task::classification, Task::segmentation}) {
    if (value.text() == to_string(task)) return task;
  }
  value.fail("expected \"classification\" or \"segmentation\"");
}

ImageOrigin parse_origin(const JsonValue& value) {
  ImageOrigin origin{value.at("preprocessing").text(), value.at("intensity_scale").finite(),
                     texts_of(value.at("sites"))};
  if (!(origin.intensity_scale > 0.0)) {
    value.at("intensity_scale").fail("expected a number above 0");
  }
  return origin;
}

}  // namespace

void add_origin(const ShardInfo& shard, std::vector<ImageOrigin>& origins) {
  const std::string preprocessing = printable(shard.preprocessing);  // JSON must be UTF-8
  const auto known = std::ranges::find_if(origins, [&](const ImageOrigin& origin) {
    return origin.preprocessing == preprocessing && origin.intensity_scale == shard.intensity_scale;
  });
  if (known != origins.end()) {
    known->sites.push_back(shard.site);
  } else {
    origins.push_back({preprocessing, shard.intensity_scale, {shard.site}});
  }
}

json to_json(const TrainedOn& trained_on) {
  json origins = json::array();
  for (const ImageOrigin& origin : trained_on.origins) {
    origins.push_back({{"preprocessing", origin.preprocessing},
                       {"intensity_scale", origin.intensity_scale},
                       {"sites", origin.sites}});
  }
  return {{"task", to_string(trained_on.shape.task)}, {"class_names", trained_on.class_names},
          {"channels", trained_on.shape.channels},    {"height", trained_on.shape.height},
          {"width", trained_on.shape.width},          {"images", origins}};
}

TrainedOn parse_trained_on(const JsonValue& value) {
  TrainedOn found;
  found.class_names = texts_of(value.at("class_names"));
  if (found.class_names.size() < 2) value.at("class_names").fail("expected two classes or more");
  found.shape = {parse_task(value.at("task")), static_cast<std::int64_t>(found.class_names.size()),
                 value.at("channels").whole(any_size), value.at("height").whole(any_size),
                 value.at("width").whole(any_size)};
  for (const JsonValue& item : value.at("images").items()) {
    found.origins.push_back(parse_origin(item));
  }
  return found;
}

}  // namespace harmofl
