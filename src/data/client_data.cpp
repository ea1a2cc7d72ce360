// SPDX-License-Identifier: Apache-2.0
#include "harmofl/data/client_data.hpp"

#include "data/batches/residence.hpp"
#include "data/sample_tensors.hpp"
#include "data/shard_source.hpp"
#include "harmofl/base/error.hpp"

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
  samples.images = adopt(std::move(data.images), image_shape(info, count), image_type(info));
  samples.targets =
      info.task == Task::classification
          ? adopt(std::move(data.labels), target_shape(info, count), target_type(info))
          : adopt(std::move(data.masks), target_shape(info, count), target_type(info));
  return samples;
}

ClientData empty_client(const std::string& name, const ShardInfo& info) {
  ClientData client;
  client.site = name;
  client.task = info.task;
  client.classes = std::ssize(info.class_names);
  return client;
}

/// Throws UserError unless the samples of both shards may stand in one tensor.
void check_alike(const ShardReader& first, const ShardReader& other, const std::string& client) {
  const auto facts = [](const ShardInfo& info) {
    return concat(to_string(info.task), " of ", to_string(info.pixel_type), " ", info.channels, "x",
                  info.height, "x", info.width, " images / ", info.intensity_scale, " into ",
                  join(info.class_names));
  };
  HARMOFL_VALIDATE(facts(first.info()) == facts(other.info()), first.path().string(), " and ",
                   other.path().string(), ": client '", client,
                   "' mixes their samples, but the first is for ", facts(first.info()),
                   ", the other for ", facts(other.info()),
                   ". Prepare both alike, or take data.partition site or patient.");
}

/// Samples of one shard: consecutive entries of a client's list.
struct Piece {
  std::int64_t shard = 0;
  std::vector<std::int64_t> rows;
};

std::vector<Piece> pieces_of(const std::vector<SampleRef>& samples) {
  std::vector<Piece> pieces;
  for (const SampleRef& sample : samples) {
    if (pieces.empty() || pieces.back().shard != sample.shard) pieces.push_back({sample.shard, {}});
    pieces.back().rows.push_back(sample.row);
  }
  return pieces;
}

/// Reads the pieces one after the other into their places, so that no more than one is held twice.
Samples read_pieces(const std::vector<Piece>& pieces, Split split, ShardPool& shards,
                    const ShardInfo& info, std::int64_t count) {
  if (pieces.size() == 1) {
    return to_samples(shards.open(pieces[0].shard).read_rows(split, pieces[0].rows), info);
  }
  Samples samples;
  samples.intensity_scale = info.intensity_scale;
  samples.images = torch::empty(image_shape(info, count), image_type(info));
  samples.targets = torch::empty(target_shape(info, count), target_type(info));
  std::int64_t next = 0;
  for (const Piece& piece : pieces) {
    const Samples read = to_samples(shards.open(piece.shard).read_rows(split, piece.rows), info);
    samples.images.narrow(0, next, read.count()).copy_(read.images);
    samples.targets.narrow(0, next, read.count()).copy_(read.targets);
    next += read.count();
  }
  return samples;
}

}  // namespace

ClientData load_client(const std::filesystem::path& shard, torch::Device device) {
  const ShardReader reader(shard);
  ClientData client = empty_client(reader.info().site, reader.info());
  for (const Split split : all_splits) {
    client.split(split) = to_samples(reader.read(split), reader.info());
  }
  settle(client, device);
  return client;
}

ClientData load_client(const ClientPart& part, ShardPool& shards, torch::Device device,
                       Residence residence, SampleBudget* budget) {
  std::array<std::vector<Piece>, 3> pieces;
  const ShardReader* first = nullptr;
  for (const Split split : all_splits) {
    auto& own = pieces[static_cast<std::size_t>(split)] = pieces_of(part.split(split));
    for (const Piece& piece : own) {
      const ShardReader& reader = shards.open(piece.shard);
      if (first == nullptr) first = &reader;
      check_alike(*first, reader, part.name);
    }
  }
  HARMOFL_VALIDATE(first != nullptr, "Client '", part.name,
                   "' holds no sample at all. Deal to fewer clients (data.clients).");
  ClientData client = empty_client(part.name, first->info());
  for (const Split split : all_splits) {
    client.split(split) = residence == Residence::stream
                              ? stream_samples(part.split(split), split, shards, first->info())
                              : read_pieces(pieces[static_cast<std::size_t>(split)], split, shards,
                                            first->info(), part.count(split));
  }
  settle(client, device, budget);
  return client;
}

}  // namespace harmofl
