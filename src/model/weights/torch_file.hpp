// SPDX-License-Identifier: Apache-2.0
/// Files of PyTorch's torch.save: a zip archive with a pickle and the bytes of every storage.
#pragma once

#include "harmofl/io/named_tensor.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Reads what Python's `torch.save(model.state_dict(), path)` wrote (PyTorch 1.6 or newer): a dict
/// or OrderedDict name -> dense tensor, in its order; `role` is empty. Tensors of any strides and
/// of float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8 and bool become
/// float32, row-major. No code of the file is run. Throws UserError, naming the file, for anything
/// else.
std::vector<NamedTensor> read_torch_file(const std::filesystem::path& path);

/// Writes a dict name -> tensor that Python's `torch.load(path)` opens, with its `weights_only`:
/// float32, and int64 where `is_counter` holds. `records` become records `extra/<name>` of the
/// archive, which PyTorch passes over. Atomic; the same input gives the same bytes. Throws
/// UserError when two tensors have one name or the file cannot be written.
void write_torch_file(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& records = {});

}  // namespace harmofl
