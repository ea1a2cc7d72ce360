// SPDX-License-Identifier: Apache-2.0
/// What a client keeps between rounds and shares with nobody, and what the server keeps.
#pragma once

#include "harmofl/io/named_tensor.hpp"

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Named float32 tensors that live with their client: optimiser moments, control variates, a
/// personal model; or with the server: its momentum. They survive rounds, checkpoints and a move to
/// another rank.
class NamedState {
 public:
  /// The tensor called `name`, made of zeros like `like` when it is not there yet. Throws UserError
  /// when it has another shape: it is of another model then.
  torch::Tensor& tensor(const std::string& name, const torch::Tensor& like);
  /// The number called `name`, a tensor without axes, 0 when it is not there yet; as `tensor`.
  torch::Tensor& number(const std::string& name, const torch::Tensor& like);
  bool has(const std::string& name) const { return tensors_.contains(name); }
  bool empty() const { return tensors_.empty(); }
  /// The tensor called `name`, which is there.
  const torch::Tensor& get(const std::string& name) const { return tensors_.at(name); }
  /// The names of all tensors, sorted.
  std::vector<std::string> names() const;
  /// Size of all values, in bytes.
  std::int64_t size_bytes() const;
  /// Forgets the tensors whose names begin with `prefix`; all of them where it is "".
  void drop(const std::string& prefix);
  /// The tensors whose names `wanted` accepts; they share memory with these.
  NamedState subset(const std::function<bool(const std::string&)>& wanted) const;

  std::vector<NamedTensor> export_tensors() const;
  /// Makes `tensors`, each with as many values as its shape says, all that is kept.
  void import_tensors(const std::vector<NamedTensor>& tensors, torch::Device device);

  /// Bytes for another rank, and back.
  std::string serialize() const;
  static std::vector<NamedTensor> parse(const std::string& bytes);

 private:
  std::map<std::string, torch::Tensor> tensors_;
};

}  // namespace harmofl
