// SPDX-License-Identifier: Apache-2.0
#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "io/formats/safetensors.hpp"
#include "io/tensor_elements.hpp"

namespace harmofl::fuzz {

void safetensors(std::string_view input) {
  static MemoryFile file;
  for (const NamedTensor& tensor : read_safetensors(file.holding(input))) {
    require(element_count(tensor.shape) == std::ssize(tensor.values), "a value an element");
  }
}

}  // namespace harmofl::fuzz
