// SPDX-License-Identifier: Apache-2.0
/// The safetensors format (https://github.com/huggingface/safetensors): 8 bytes with the length of
/// the header, little endian; the header, JSON, name -> {dtype, shape, data_offsets}; the data of
/// all tensors, row-major, one after the other without gaps.
#pragma once

#include "harmofl/io/named_tensor.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Reads every tensor of a file, in the order of their data; `role` is empty. F64, F32, F16, BF16,
/// I64, I32, I16, I8, U8 and BOOL become float32. Throws UserError, naming file, tensor and value,
/// for a file that is damaged or breaks a rule of the format.
std::vector<NamedTensor> read_safetensors(const std::filesystem::path& path);

/// Writes tensors atomically, with `metadata` as the header's `__metadata__` (left out when it is
/// empty): float32, and int64 where `is_counter` holds. Counters come first, so that all data are
/// aligned; the others keep their order. The same input gives the same bytes. Throws UserError when
/// two tensors have one name, a name is not UTF-8, or the file cannot be written.
void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace harmofl
