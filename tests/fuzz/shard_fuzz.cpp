#include "fuzz/hdf5_script.hpp"
#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "harmofl/base/error.hpp"
#include "io/samples.hpp"
#include "support/temp_folder.hpp"

#include <fstream>
#include <iterator>

namespace harmofl::fuzz {
namespace {

/// An intact shard's bytes.
std::string intact(Task task) {
  const test::TempFolder folder;
  test::write_small_shard(folder / "s.h5", test::small_info(task, PixelType::float32), 1);
  std::ifstream file(folder / "s.h5", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

ScriptNames names() {
  ScriptNames found{{"/"},
                    {"format_version", "site", "task", "class_names", "intensity_scale",
                     "preprocessing", "source_checksum", "xxh3"}};
  for (const char* split : {"/train", "/val", "/test"}) {
    found.objects.emplace_back(split);
    for (const char* name : {"images", "masks", "labels", "ids", "groups"}) {
      found.objects.push_back(concat(split, "/", name));
    }
  }
  return found;
}

/// Reads as a run does: names, labels, all of a split, some of it.
void read(const ShardReader& reader) {
  for (const Split split : all_splits) {
    const std::int64_t count = reader.count(split);
    require(std::ssize(reader.ids(split)) == count, "an id a sample");
    try {
      require(reader.labels(split).size() <= static_cast<std::size_t>(count), "labels");
      const SplitData all = reader.read(split);
      require(all.count() == count, "all samples");
      require(std::ssize(all.images) ==
                  count * reader.info().values_per_image() *
                      static_cast<std::int64_t>(size_bytes(reader.info().pixel_type)),
              "as many bytes as pixels");
    } catch (const UserError&) {  // the next split may be in order
    }
    if (count > 1) reader.read_rows(split, {count - 1});
  }
}

}  // namespace

/// The first byte chooses the task, the others are changes.
void shard(std::string_view input) {
  static MemoryFile file;
  static const ScriptNames all_names = names();
  static const std::string shards[] = {intact(Task::segmentation), intact(Task::classification)};
  if (input.empty()) return;
  const std::string path = file.holding(shards[input[0] & 1]);
  Hdf5Script(path, all_names, input.substr(1));
  read(ShardReader(path));
}

}  // namespace harmofl::fuzz
