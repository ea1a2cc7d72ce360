// SPDX-License-Identifier: Apache-2.0
/// A model's weights in files that other programs read and write; the extension says the format.
/// Unlike a checkpoint they have no checksums that are verified: a changed number is not noticed.
#pragma once

#include "harmofl/io/named_tensor.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

/// What a file of weights says of its model beside the tensors (docs/exported-models.md): enough to
/// build the model from the file alone. Readers of weights do not look at it.
struct ModelNotes {
  std::string description;  ///< JSON; "" says nothing.
  std::string script;  ///< The network as a TorchScript archive, bytes; "" where it is built in.
};

/// Reads float32 tensors by name from `.safetensors`, from `.pt` or `.pth` (a state_dict of
/// torch.save), or from `.h5` (group /model of a checkpoint of this program). Throws UsageError for
/// another extension, UserError for a file that cannot be used.
std::vector<NamedTensor> read_weights(const std::filesystem::path& path);

/// Throws UsageError for an extension that `write_weights` does not know, UserError for `.h5`.
void check_weights_extension(const std::filesystem::path& path);

/// Writes `.safetensors`, `.pt` or `.pth`, atomically: float32, counts of batches int64, and the
/// notes in the header's metadata or in records beside the state_dict. Throws as
/// `check_weights_extension`, and UserError when the file cannot be written.
void write_weights(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                   const ModelNotes& notes = {});

}  // namespace harmofl
