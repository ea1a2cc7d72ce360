// SPDX-License-Identifier: Apache-2.0
// load/TASK/cold|warm: opens a shard, reads and verifies its training images, and cuts them into
// batches in a shuffled order; against
//   read/TASK/cold|warm  a plain read of the whole file
// batches/TASK: the batches alone, of samples in memory.
// Cold: the file's pages are dropped before each pass. Items are images.
#include "add.hpp"
#include "data/batches/batches.hpp"
#include "data/synthetic/synthetic.hpp"
#include "files.hpp"
#include "harmofl/base/text.hpp"
#include "harmofl/data/client_data.hpp"

#include <map>
#include <string>

namespace harmofl::bench {
namespace {

struct Kind {
  const char* name;
  Task task;
  std::int64_t images, side, batch;
};

constexpr Kind kinds[] = {{"classification", Task::classification, 4'000, 32, 10},
                          {"segmentation", Task::segmentation, 48, 256, 8}};

/// One site's shard, nearly all of it training images.
struct Shard {
  explicit Shard(const Kind& kind) {
    const SyntheticOptions options{.task = kind.task,
                                   .sites = 1,
                                   .train = kind.images,
                                   .val = 4,
                                   .test = 4,
                                   .height = kind.side,
                                   .width = kind.side};
    path = synthesize(options, folder.path).front();
  }

  Folder folder;
  std::filesystem::path path;
};

/// The shard of `kind`, made once.
const Shard& shard_of(const Kind& kind) {
  static std::map<std::string, Shard> shards;
  return shards.try_emplace(kind.name, kind).first->second;
}

/// Images in all batches of a shuffled pass.
std::int64_t cut(const Samples& samples, const Kind& kind) {
  const auto stream = [](RngPurpose purpose) {
    return RngStream(0, RoundId(0), ClientId(0), purpose);
  };
  BatchStream batches(samples, {.batch_size = kind.batch, .augment = true},
                      stream(RngPurpose::shuffle), stream(RngPurpose::augmentation));
  std::int64_t images = 0;
  while (const auto batch = batches.next()) images += batch->images.size(0);
  return images;
}

void load(benchmark::State& state, const Kind& kind, bool cold) {
  const Shard& shard = shard_of(kind);
  std::int64_t images = 0;
  for (auto _ : state) {
    state.PauseTiming();
    if (cold) forget(shard.path);
    state.ResumeTiming();
    const ClientData client = load_client(shard.path, torch::kCPU);
    images += cut(client.split(Split::train), kind);
  }
  state.SetItemsProcessed(images);
  const auto passes = static_cast<std::int64_t>(state.iterations());
  if (images != passes * kind.images) state.SkipWithError("not every image was in a batch");
}

void batches(benchmark::State& state, const Kind& kind) {
  const Shard& shard = shard_of(kind);
  const ClientData client = load_client(shard.path, torch::kCPU);
  std::int64_t images = 0;
  for (auto _ : state) images += cut(client.split(Split::train), kind);
  state.SetItemsProcessed(images);
}

/// The batches of samples that are read while they are cut, from a warm cache.
void streamed(benchmark::State& state, const Kind& kind) {
  ShardPool pool({shard_of(kind).path});
  ClientPart part{"site"};
  for (std::int64_t row = 0; row < kind.images; ++row) part.samples[0].push_back({0, row});
  const ClientData client = load_client(part, pool, torch::kCPU, Residence::stream);
  std::int64_t images = 0;
  for (auto _ : state) images += cut(client.split(Split::train), kind);
  state.SetItemsProcessed(images);
}

void plain_read(benchmark::State& state, const Kind& kind, bool cold) {
  const Shard& shard = shard_of(kind);
  std::vector<char> buffer(std::size_t{1} << 20);
  std::int64_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    if (cold) forget(shard.path);
    state.ResumeTiming();
    bytes += read_all(shard.path, buffer);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * kind.images);
  state.SetBytesProcessed(bytes);
}

const bool registered = [] {
  for (const Kind& kind : kinds) {
    for (const bool cold : {false, true}) {
      const std::string name = concat(kind.name, cold ? "/cold" : "/warm");
      add("load/" + name, [=](benchmark::State& state) { load(state, kind, cold); });
      add("read/" + name, [=](benchmark::State& state) { plain_read(state, kind, cold); });
    }
    add(concat("batches/", kind.name), [=](benchmark::State& state) { batches(state, kind); });
    add(concat("stream/", kind.name), [=](benchmark::State& state) { streamed(state, kind); });
  }
  return true;
}();

}  // namespace
}  // namespace harmofl::bench
