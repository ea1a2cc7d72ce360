// SPDX-License-Identifier: Apache-2.0
#include "harmofl/fl/named_state.hpp"

#include "harmofl/base/error.hpp"
#include "io/tensor_elements.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <sys/mman.h>

namespace harmofl {
namespace {

/// So many values that what follows them lies at a multiple of 64 bytes, as libtorch's own tensors.
std::size_t aligned(std::size_t count) { return (count + 15) / 16 * 16; }

/// Memory of pages of their own for so many values, which go back to the system with the last
/// owner.
std::shared_ptr<float> make_block(std::size_t count) {
  const std::size_t bytes = std::max<std::size_t>(count, 1) * sizeof(float);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<float*>(memory), [bytes](float* first) { munmap(first, bytes); }};
}

void check_shape(const std::string& name, const torch::Tensor& tensor, torch::IntArrayRef needed) {
  HARMOFL_VALIDATE(tensor.sizes() == needed, "the tensor '", name, "' that is kept has the shape ",
                   tensor.sizes(), ", but ", needed,
                   " is needed. Go on from the checkpoint of a run of this model.");
}

}  // namespace

torch::Tensor& NamedState::tensor(const std::string& name, const torch::Tensor& like) {
  torch::Tensor& tensor = tensors_[name];
  if (!tensor.defined()) tensor = torch::zeros_like(like);
  check_shape(name, tensor, like.sizes());
  return tensor;
}

torch::Tensor& NamedState::number(const std::string& name, const torch::Tensor& like) {
  torch::Tensor& tensor = tensors_[name];
  if (!tensor.defined()) tensor = torch::zeros({}, like.options());
  check_shape(name, tensor, {});
  return tensor;
}

std::vector<std::string> NamedState::names() const {
  std::vector<std::string> names;
  for (const auto& item : tensors_) names.push_back(item.first);
  return names;
}

std::int64_t NamedState::size_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& item : tensors_) bytes += static_cast<std::int64_t>(item.second.nbytes());
  return bytes;
}

void NamedState::drop(const std::string& prefix) {
  std::erase_if(tensors_, [&](const auto& item) { return item.first.starts_with(prefix); });
}

NamedState NamedState::subset(const std::function<bool(const std::string&)>& wanted) const {
  NamedState chosen;
  for (const auto& item : tensors_) {
    if (wanted(item.first)) chosen.tensors_.insert(item);
  }
  return chosen;
}

std::vector<NamedTensor> NamedState::export_tensors() const {
  std::vector<NamedTensor> exported;
  for (const auto& [name, tensor] : tensors_) {
    const torch::Tensor host = tensor.cpu().contiguous();
    const auto* data = host.const_data_ptr<float>();
    exported.push_back(
        {name, "", host.sizes().vec(), std::vector<float>(data, data + host.numel())});
  }
  return exported;
}

// One block for all of them, which is not of the heap: states live long, and between what training
// frees at every step they would keep that from being used again as a whole.
void NamedState::import_tensors(const std::vector<NamedTensor>& tensors, torch::Device device) {
  tensors_.clear();
  std::size_t count = 0;
  for (const NamedTensor& tensor : tensors) {
    HARMOFL_EXPECT(element_count(tensor.shape) == std::ssize(tensor.values));
    count += aligned(tensor.values.size());
  }
  const std::shared_ptr<float> block = make_block(count);
  float* place = block.get();
  for (const NamedTensor& tensor : tensors) {
    std::ranges::copy(tensor.values, place);
    const torch::Tensor host = torch::from_blob(place, tensor.shape, [block](void*) {});
    tensors_[tensor.name] = host.to(device);
    place += aligned(tensor.values.size());
  }
}

// The length of a list of names and shapes, in 8 bytes; the list; the values of all, in its order.
std::string NamedState::serialize() const {
  auto list = nlohmann::json::array();
  for (const auto& [name, tensor] : tensors_) list.push_back({name, tensor.sizes().vec()});
  const std::string head = list.dump();
  const std::uint64_t length = head.size();
  std::string packed;
  packed.reserve(sizeof length + head.size() + static_cast<std::size_t>(size_bytes()));
  packed.append(reinterpret_cast<const char*>(&length), sizeof length).append(head);
  for (const auto& item : tensors_) {
    const torch::Tensor host = item.second.cpu().contiguous();
    packed.append(static_cast<const char*>(host.const_data_ptr()), host.nbytes());
  }
  return packed;
}

std::vector<NamedTensor> NamedState::parse(const std::string& bytes) {
  std::uint64_t length = 0;
  HARMOFL_EXPECT(bytes.size() >= sizeof length);
  std::memcpy(&length, bytes.data(), sizeof length);
  HARMOFL_EXPECT(bytes.size() - sizeof length >= length);
  std::string_view values(bytes);
  const std::string_view head = values.substr(sizeof length, length);
  values.remove_prefix(sizeof length + length);
  std::vector<NamedTensor> tensors;
  for (const auto& item : nlohmann::json::parse(head)) {
    NamedTensor tensor{item.at(0), "", item.at(1), {}};
    tensor.values.resize(static_cast<std::size_t>(*element_count(tensor.shape)));
    const std::size_t size = tensor.values.size() * sizeof(float);
    HARMOFL_EXPECT(size <= values.size());
    std::memcpy(tensor.values.data(), values.data(), size);
    values.remove_prefix(size);
    tensors.push_back(std::move(tensor));
  }
  HARMOFL_EXPECT(values.empty());
  return tensors;
}

}  // namespace harmofl
