// SPDX-License-Identifier: Apache-2.0
// checkpoint/COUNT/ours: a checkpoint of COUNT parameters written, synced and put in place, against
//   checkpoint/COUNT/plain  a plain write and fsync of as many bytes, under a new name, and a
//   rename
#include "io/checkpoint/checkpoint.hpp"

#include "add.hpp"
#include "files.hpp"
#include "harmofl/base/text.hpp"

namespace harmofl::bench {
namespace {

constexpr std::int64_t counts[] = {24'234, 7'000'000};
constexpr std::int64_t tensors = 100;

std::vector<NamedTensor> model(std::int64_t count) {
  std::vector<NamedTensor> made;
  for (std::int64_t i = 0; i < tensors; ++i) {
    const std::int64_t length = count / tensors;
    std::vector<float> values(static_cast<std::size_t>(length));
    for (std::int64_t k = 0; k < length; ++k) {
      values[static_cast<std::size_t>(k)] = static_cast<float>(k * (i + 1)) * 1e-3F;
    }
    made.push_back({concat("layer", i, ".weight"), "parameter", {length}, std::move(values)});
  }
  return made;
}

void ours(benchmark::State& state, std::int64_t count) {
  const Folder folder;
  const auto path = folder.path / "checkpoint.h5";
  const std::vector<NamedTensor> named = model(count);
  for (auto _ : state) {
    CheckpointWriter writer(path, {1, "fedavg", "", "{}"});
    writer.write("model", named);
    writer.commit();
  }
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * size);
  if (CheckpointReader(path).read("model").size() != named.size()) {
    state.SkipWithError("the checkpoint lacks tensors");
  }
}

void plain(benchmark::State& state, std::int64_t count) {
  const Folder folder;
  const std::vector<float> values(static_cast<std::size_t>(count), 1.0F);
  const std::size_t bytes = values.size() * sizeof(float);
  for (auto _ : state) {
    {
      const Descriptor file(folder.path / "new", O_WRONLY | O_CREAT | O_TRUNC);
      for (std::size_t done = 0; done < bytes;) {
        const auto wrote =
            write(file.number, reinterpret_cast<const char*>(values.data()) + done, bytes - done);
        if (wrote <= 0) return state.SkipWithError("the file cannot be written");
        done += static_cast<std::size_t>(wrote);
      }
      fsync(file.number);
    }
    std::filesystem::rename(folder.path / "new", folder.path / "old");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
}

const bool registered = [] {
  for (const std::int64_t count : counts) {
    const std::string name = concat("checkpoint/", count);
    add(name + "/ours", [=](benchmark::State& state) { ours(state, count); });
    add(name + "/plain", [=](benchmark::State& state) { plain(state, count); });
  }
  return true;
}();

}  // namespace
}  // namespace harmofl::bench
