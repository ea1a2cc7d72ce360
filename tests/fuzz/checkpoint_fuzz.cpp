// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.hpp"
#include "fuzz/hdf5_changes.hpp"
#include "fuzz/targets.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/checkpoint/checkpoint_seal.hpp"
#include "io/tensor_elements.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"

#include <span>

namespace harmofl::fuzz {
namespace {

std::string intact() {
  const test::TempFolder folder;
  CheckpointWriter writer(folder / "c.h5", {3, "fedavg", "[run]\n", R"({"best":null})"});
  writer.write(checkpoint_groups::model, {{"a", "parameter", {2, 3}, std::vector<float>(6, 1.0F)},
                                          {"b", "buffer", {}, {2.0F}}});
  writer.write(checkpoint_groups::server, {{"m", "", {2}, {1.0F, 2.0F}}});
  writer.write(checkpoint_groups::of_client("x"), {{"optimizer.m", "", {1}, {0.0F}}});
  writer.commit();
  return test::content_of(folder / "c.h5");
}

void check(const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& tensor : tensors) {
    require(element_count(tensor.shape) == std::ssize(tensor.values), "a value an element");
  }
}

}  // namespace

void checkpoint(std::string_view input) {
  static const std::string whole = intact();
  static const Hdf5Objects known{
      {"/model", "/model/a", "/model/b", "/model/c", "/server", "/server/m", "/clients",
       "/clients/x", "/clients/x/optimizer.m", "/clients/y"},
      {"format_version", "rounds_done", "algorithm", "config", "state", "index", "role", "xxh3"}};
  const int sealed = input.empty() ? 0 : input.front() % 3;
  if (!input.empty()) input.remove_prefix(1);
  std::string bytes = changed_hdf5(whole, known, input);
  if (sealed == 0) bytes += checkpoint_seal::of(checksum(std::as_bytes(std::span(bytes))));
  if (sealed == 1) bytes += checkpoint_seal::of(std::string(32, '0'));
  const std::filesystem::path path = stored(bytes);
  const CheckpointReader reader(path);
  require(sealed != 1, "a wrong seal is refused");
  require(reader.info().rounds_done >= 0, "rounds are counted from 0");
  check(reader.read(checkpoint_groups::model));
  check(reader.read(checkpoint_groups::server));
  for (const std::string& name : reader.groups(checkpoint_groups::clients)) {
    check(reader.read(checkpoint_groups::of_client(name)));
  }
}

}  // namespace harmofl::fuzz
