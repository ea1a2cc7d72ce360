// SPDX-License-Identifier: Apache-2.0
#include "model/weights/weights_file.hpp"

#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/safetensors.hpp"
#include "model/weights/torch_file.hpp"

#include <algorithm>
#include <string>

namespace harmofl {
namespace {

using Tensors = std::vector<NamedTensor>;

Tensors read_model_group(const std::filesystem::path& path) {
  Tensors tensors = CheckpointReader(path).read(checkpoint_groups::model);
  HARMOFL_VALIDATE(!tensors.empty(), path.string(),
                   ": has no tensors under /model. Give a checkpoint.h5 or best.h5 of a run.");
  return tensors;
}

/// PyTorch's own readers look for this entry.
void write_safetensors_of_torch(const std::filesystem::path& path, const Tensors& tensors) {
  write_safetensors(path, tensors, {{"format", "pt"}});
}

struct Format {
  const char* extension;
  Tensors (*read)(const std::filesystem::path&);
  void (*write)(const std::filesystem::path&, const Tensors&);  ///< Null: is read only.
};

constexpr Format formats[] = {
    {".safetensors", read_safetensors, write_safetensors_of_torch},
    {".pt", read_torch_file, write_torch_file},
    {".pth", read_torch_file, write_torch_file},
    {".h5", read_model_group, nullptr},
};

/// The extensions of all formats, or of those that are written.
std::vector<std::string> extensions(bool written) {
  std::vector<std::string> known;
  for (const Format& format : formats) {
    if (!written || format.write != nullptr) known.emplace_back(format.extension);
  }
  return known;
}

const Format& format_of(const std::filesystem::path& path, bool written) {
  const std::string extension = path.extension().string();
  const auto found = std::ranges::find_if(
      formats, [&](const Format& format) { return extension == format.extension; });
  if (found != std::end(formats)) return *found;
  throw UsageError(concat(path.string(), ": the extension '", extension,
                          "' names no format of weights that is ", written ? "written" : "read",
                          ". Known: ", join(extensions(written)), "."));
}

}  // namespace

Tensors read_weights(const std::filesystem::path& path) {
  return format_of(path, false).read(path);
}

void check_weights_extension(const std::filesystem::path& path) {
  HARMOFL_VALIDATE(format_of(path, true).write != nullptr, path.string(),
                   ": checkpoints are written by `harmofl train` alone. Write ",
                   join(extensions(true), " or "), ".");
}

void write_weights(const std::filesystem::path& path, const Tensors& tensors) {
  check_weights_extension(path);
  format_of(path, true).write(path, tensors);
}

}  // namespace harmofl
