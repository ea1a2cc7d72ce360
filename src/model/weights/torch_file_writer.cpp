// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/tensor_elements.hpp"
#include "model/weights/torch_file.hpp"
#include "model/weights/torch_pickle.hpp"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/types.h>

#include <cstddef>
#include <cstring>
#include <string>

namespace harmofl {
namespace {

torch::Tensor tensor_of(const NamedTensor& tensor, const std::string& file) {
  HARMOFL_EXPECT(element_count(tensor.shape) == static_cast<std::int64_t>(tensor.values.size()));
  const auto copy = [&](const auto& values, torch::ScalarType type) {
    torch::Tensor made = torch::empty(tensor.shape, type);
    if (!values.empty()) std::memcpy(made.data_ptr(), values.data(), made.nbytes());
    return made;
  };
  return is_counter(tensor.name) ? copy(counter_values(tensor, file), torch::kInt64)
                                 : copy(tensor.values, torch::kFloat32);
}

/// The pickle of a plain dict, and in `storages` the tensors whose bytes belong to it. (What
/// torch::pickle_save makes carries a type tag, which weights_only refuses.)
std::string pickle_of(const std::vector<NamedTensor>& tensors, const std::string& file,
                      std::vector<torch::Tensor>& storages) {
  c10::impl::GenericDict dict(c10::StringType::get(), c10::TensorType::get());
  for (const NamedTensor& tensor : tensors) {
    const bool is_new = dict.insert(tensor.name, tensor_of(tensor, file)).second;
    HARMOFL_VALIDATE(is_new, file, ": '", tensor.name,
                     "' names two tensors. Give each a name of its own.");
  }
  std::string bytes;
  torch::jit::Pickler pickler([&](const char* data, std::size_t size) { bytes.append(data, size); },
                              nullptr, nullptr, nullptr, nullptr, /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(dict);
  pickler.stop();
  storages = pickler.tensorData();
  return bytes;
}

}  // namespace

void write_torch_file(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& records) {
  std::vector<torch::Tensor> storages;
  const std::string pickle = pickle_of(tensors, path.string(), storages);
  std::string bytes;
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  writer.writeRecord(torch_pickle::record, pickle.data(), pickle.size());
  writer.writeRecord("byteorder", "little", 6);
  for (std::size_t i = 0; i < storages.size(); ++i) {
    writer.writeRecord(concat("data/", i), storages[i].data_ptr(), storages[i].nbytes());
  }
  for (const auto& [name, content] : records) {
    writer.writeRecord("extra/" + name, content.data(), content.size());
  }
  writer.writeEndOfFile();
  write_text_file(path, bytes);
}

}  // namespace harmofl
