// SPDX-License-Identifier: Apache-2.0
/// Private to src/model: the pickle inside a file of torch.save.
///
/// Python's pickle is a program that builds objects and may call anything. This reads the part of
/// it that a state_dict is made of (protocol 2; the opcodes and globals that torch.load allows with
/// weights_only=True), calls nothing, and takes what it does not know for an opaque value.
/// libtorch's own reader does not know OrderedDict and trusts sizes.
#pragma once

#include "io/tensor_elements.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl::torch_pickle {

/// Name of the pickle in the archive.
inline constexpr const char* record = "data.pkl";
/// Most bytes of a pickle: a tensor takes about 200.
inline constexpr std::size_t max_bytes = std::size_t{16} << 20;

/// A dense tensor: a view of a storage, all in numbers of elements. Nothing is checked against the
/// storage's bytes yet.
struct StoredTensor {
  std::string name;
  ElementType type;
  std::string storage;  ///< Its content is the archive's record `data/<storage>`.
  std::int64_t storage_count;
  std::int64_t offset;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< Strides in elements, as many as `shape` has sizes.
};

/// The tensors of a dict name -> tensor, in its order. Throws UserError, naming `file` and the
/// entry, for anything else.
std::vector<StoredTensor> read_state_dict(std::string_view pickle, const std::string& file);

}  // namespace harmofl::torch_pickle
