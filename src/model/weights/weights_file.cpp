// SPDX-License-Identifier: Apache-2.0
#include "model/weights/weights_file.hpp"

#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/formats/base64.hpp"
#include "io/formats/safetensors.hpp"
#include "model/weights/torch_file.hpp"

#include <algorithm>
#include <map>
#include <new>
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

constexpr const char* description_key = "harmofl";
constexpr const char* script_key = "harmofl.script";

void write_safetensors_of_torch(const std::filesystem::path& path, const Tensors& tensors,
                                const ModelNotes& notes) {
  std::map<std::string, std::string> metadata{{"format", "pt"}};  // PyTorch's readers look for it
  if (!notes.description.empty()) metadata[description_key] = notes.description;
  if (!notes.script.empty()) metadata[script_key] = base64(notes.script);
  write_safetensors(path, tensors, metadata);
}

void write_torch_file_with_notes(const std::filesystem::path& path, const Tensors& tensors,
                                 const ModelNotes& notes) {
  std::map<std::string, std::string> records;
  if (!notes.description.empty()) records[description_key] = notes.description;
  if (!notes.script.empty()) records[script_key] = notes.script;
  write_torch_file(path, tensors, records);
}

struct Format {
  const char* extension;
  Tensors (*read)(const std::filesystem::path&);
  /// Null: is read only.
  void (*write)(const std::filesystem::path&, const Tensors&, const ModelNotes&);
};

constexpr Format formats[] = {
    {".safetensors", read_safetensors, write_safetensors_of_torch},
    {".pt", read_torch_file, write_torch_file_with_notes},
    {".pth", read_torch_file, write_torch_file_with_notes},
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
  const Format& format = format_of(path, false);
  try {
    return format.read(path);
  } catch (const std::bad_alloc&) {  // within what the machine has, but not what this process may
    throw UserError(concat(path.string(),
                           ": there is not enough memory for its tensors. Check that ",
                           "it is the file that you mean, or give the process more memory."));
  }
}

void check_weights_extension(const std::filesystem::path& path) {
  HARMOFL_VALIDATE(format_of(path, true).write != nullptr, path.string(),
                   ": checkpoints are written by `harmofl train` alone. Write ",
                   join(extensions(true), " or "), ".");
}

void write_weights(const std::filesystem::path& path, const Tensors& tensors,
                   const ModelNotes& notes) {
  check_weights_extension(path);
  format_of(path, true).write(path, tensors, notes);
}

}  // namespace harmofl
