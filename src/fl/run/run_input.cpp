// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_input.hpp"

#include <string>
#include <utility>
#include <vector>

namespace harmofl {

CheckpointReader open_checkpoint(const std::filesystem::path& path, const Communicator& comm) {
  std::optional<CheckpointReader> checkpoint;
  comm.agree([&] {
    if (comm.is_root()) checkpoint.emplace(path);
  });
  return open_as_root(std::move(checkpoint), comm);
}

CheckpointReader open_as_root(std::optional<CheckpointReader> checkpoint,
                              const Communicator& comm) {
  std::string path = checkpoint ? checkpoint->path().string() : "";
  comm.broadcast(path);
  comm.agree([&] {
    if (!checkpoint) checkpoint = CheckpointReader::verified_elsewhere(path);
  });
  return std::move(*checkpoint);
}

void broadcast_state(const ParameterVector& model, const Communicator& comm) {
  if (comm.size() == 1) return;
  torch::NoGradGuard no_grad;
  const torch::Tensor host = model.state().cpu();  // itself where it is there
  const auto* first = host.const_data_ptr<float>();
  std::vector<float> values(first, first + host.numel());
  comm.broadcast(values);
  model.state().copy_(torch::from_blob(values.data(), host.sizes()));
}

void broadcast_state(NamedState& kept, torch::Device device, const Communicator& comm) {
  if (comm.size() == 1) return;
  std::string bytes = comm.is_root() ? kept.serialize() : std::string();
  comm.broadcast(bytes);
  if (!comm.is_root()) kept.import_tensors(NamedState::parse(bytes), device);
}

}  // namespace harmofl
