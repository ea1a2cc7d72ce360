#include "harmofl/fl/named_state.hpp"

#include <nlohmann/json.hpp>

#include <cstring>

namespace harmofl {

torch::Tensor& NamedState::tensor(const std::string& name, const torch::Tensor& like) {
  torch::Tensor& tensor = tensors_[name];
  if (!tensor.defined()) tensor = torch::zeros_like(like);
  return tensor;
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

void NamedState::import_tensors(const std::vector<NamedTensor>& tensors, torch::Device device) {
  tensors_.clear();
  for (const NamedTensor& tensor : tensors) {
    tensors_[tensor.name] =
        torch::from_blob(const_cast<float*>(tensor.values.data()), tensor.shape).clone().to(device);
  }
}

std::string NamedState::serialize() const {
  auto list = nlohmann::json::array();
  for (const NamedTensor& tensor : export_tensors()) {
    std::vector<std::uint8_t> bytes(tensor.values.size() * sizeof(float));
    std::memcpy(bytes.data(), tensor.values.data(), bytes.size());
    list.push_back({{"name", tensor.name},
                    {"shape", tensor.shape},
                    {"values", nlohmann::json::binary(std::move(bytes))}});
  }
  std::string packed;
  nlohmann::json::to_msgpack(list, packed);
  return packed;
}

std::vector<NamedTensor> NamedState::parse(const std::string& bytes) {
  std::vector<NamedTensor> tensors;
  for (const auto& item : nlohmann::json::from_msgpack(bytes)) {
    const auto& packed = item.at("values").get_binary();
    NamedTensor tensor{item.at("name"), "", item.at("shape"), {}};
    tensor.values.resize(packed.size() / sizeof(float));
    std::memcpy(tensor.values.data(), packed.data(), packed.size());
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace harmofl
