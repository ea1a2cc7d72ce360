// SPDX-License-Identifier: Apache-2.0
// Writes a shard of small images in ten classes, which `harmofl synthesize` does not make.
//
//   bench_labels FILE IMAGES [SIDE]
//
// An image of class k has noise around a brightness that grows with k, so that there is something
// to learn. Validation and test have ten images each.
#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"
#include "harmofl/io/shard.hpp"

#include <cstdio>
#include <cstdlib>

namespace {

using namespace harmofl;

constexpr std::int64_t classes = 10;

SplitData make_split(Split split, std::int64_t count, const ShardInfo& info) {
  RngStream draws(/*seed=*/0, RoundId{static_cast<std::int64_t>(split)}, ClientId{0},
                  RngPurpose::synthesis);
  SplitData data;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t label = i % classes;
    data.labels.push_back(label);
    data.ids.push_back(concat(to_string(split), i));
    for (std::int64_t k = 0; k < info.values_per_image(); ++k) {
      data.images.push_back(static_cast<std::byte>(10 * label + draws.below(150)));
    }
  }
  return data;
}

void write(const char* path, std::int64_t images, std::int64_t side) {
  ShardInfo info;
  info.site = "site_0";
  info.task = Task::classification;
  for (std::int64_t k = 0; k < classes; ++k) info.class_names.push_back(concat("class_", k));
  info.height = info.width = side;
  ShardWriter writer(path, info);
  writer.write(Split::train, make_split(Split::train, images, info));
  writer.write(Split::val, make_split(Split::val, classes, info));
  writer.write(Split::test, make_split(Split::test, classes, info));
  writer.commit();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: bench_labels FILE IMAGES [SIDE]\n");
    return 2;
  }
  try {
    write(argv[1], std::atoll(argv[2]), argc > 3 ? std::atoll(argv[3]) : 32);
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
