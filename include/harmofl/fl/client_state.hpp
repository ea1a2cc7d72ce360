/// What a client keeps between rounds and shares with nobody.
#pragma once

#include "harmofl/io/checkpoint.hpp"

#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Named float32 tensors that live with their client: optimiser moments, control variates.
/// They survive rounds, checkpoints and a move to another rank.
class ClientState {
 public:
  /// The tensor called `name`, made of zeros like `like` when it is not there yet.
  torch::Tensor& tensor(const std::string& name, const torch::Tensor& like);
  bool has(const std::string& name) const { return tensors_.contains(name); }

  std::vector<NamedTensor> export_tensors() const;
  void import_tensors(const std::vector<NamedTensor>& tensors, torch::Device device);

  /// Bytes for another rank, and back.
  std::string serialize() const;
  static std::vector<NamedTensor> parse(const std::string& bytes);

 private:
  std::map<std::string, torch::Tensor> tensors_;
};

}  // namespace harmofl
