#include "harmofl/data/client_data.hpp"

#include "harmofl/data/residence.hpp"

#include <torch/types.h>

#include <utility>
#include <vector>

namespace harmofl {
namespace {

/// A tensor over the memory of `owner`, which it keeps alive.
template <class Value>
torch::Tensor adopt(std::vector<Value> owner, const std::vector<std::int64_t>& shape,
                    torch::Dtype dtype) {
  if (owner.empty()) return torch::empty(shape, dtype);
  const auto kept = std::make_shared<std::vector<Value>>(std::move(owner));
  return torch::from_blob(kept->data(), shape, [kept](void*) {}, dtype);
}

Samples to_samples(SplitData data, const ShardInfo& info) {
  const std::int64_t count = data.count();
  Samples samples;
  samples.intensity_scale = info.intensity_scale;
  samples.images = adopt(std::move(data.images), {count, info.channels, info.height, info.width},
                         info.pixel_type == PixelType::uint8 ? torch::kUInt8 : torch::kFloat32);
  samples.targets =
      info.task == Task::classification
          ? adopt(std::move(data.labels), {count}, torch::kInt64)
          : adopt(std::move(data.masks), {count, info.height, info.width}, torch::kUInt8);
  return samples;
}

}  // namespace

ClientData load_client(const std::filesystem::path& shard, torch::Device device) {
  const ShardReader reader(shard);
  ClientData client;
  client.site = reader.info().site;
  client.task = reader.info().task;
  client.classes = std::ssize(reader.info().class_names);
  for (const Split split : all_splits) {
    client.split(split) = to_samples(reader.read(split), reader.info());
  }
  settle(client, device);
  return client;
}

}  // namespace harmofl
