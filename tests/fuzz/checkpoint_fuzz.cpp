#include "fuzz/hdf5_script.hpp"
#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "support/temp_folder.hpp"

#include <fstream>
#include <iterator>

namespace harmofl::fuzz {
namespace {

std::string intact() {
  const test::TempFolder folder;
  CheckpointWriter writer(folder / "c.h5", {3, "fedavg", "[run]\nrounds = 5\n", "{}"});
  writer.write("model", {{"w", "parameter", {2, 2}, {1, 2, 3, 4}}, {"b", "buffer", {}, {5}}});
  writer.write("clients/a", {{"m", "", {1}, {6}}});
  writer.commit();
  std::ifstream file(folder / "c.h5", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const ScriptNames names{
    {"/", "/model", "/model/w", "/model/b", "/clients", "/clients/a", "/clients/a/m", "/clients/b"},
    {"format_version", "rounds_done", "algorithm", "config", "state", "index", "role", "xxh3"}};

}  // namespace

/// Changes cut the seal off, so that what follows is read without it, as an older checkpoint is.
void checkpoint(std::string_view input) {
  static MemoryFile file;
  static const std::string whole = intact();
  const std::string path = file.holding(whole);
  Hdf5Script(path, names, input);
  const CheckpointReader reader(path);
  require(reader.info().rounds_done >= 0, "rounds");
  for (const char* group : {"model", "clients/a", "clients"}) {
    reader.groups(group);
    reader.read(group);
  }
  CheckpointReader::verify(path);
}

}  // namespace harmofl::fuzz
