// SPDX-License-Identifier: Apache-2.0
#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "io/tensor_elements.hpp"
#include "model/weights/torch_file.hpp"

namespace harmofl::fuzz {

void torch(std::string_view input) {
  static MemoryFile file;
  for (const NamedTensor& tensor : read_torch_file(file.holding(input))) {
    require(element_count(tensor.shape) == std::ssize(tensor.values), "a value an element");
  }
}

}  // namespace harmofl::fuzz
