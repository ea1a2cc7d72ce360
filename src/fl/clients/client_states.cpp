// SPDX-License-Identifier: Apache-2.0
#include "fl/clients/client_states.hpp"

#include <utility>

namespace harmofl {

ClientStates::ClientStates(StateOptions options, torch::Device device)
    : options_(std::move(options)), device_(device) {
  if (options_.scratch.empty()) options_.scratch = std::filesystem::temp_directory_path();
}

void ClientStates::open_scratch() {
  if (options_.memory_bytes > 0) file_ = std::make_unique<ScratchFile>(options_.scratch);
}

void ClientStates::with(ClientId client, const std::function<void(NamedState&)>& work) {
  work(bring(client));
  settle(client);
}

NamedState ClientStates::extract(ClientId client) {
  NamedState state = std::move(bring(client));
  memory_bytes_ -= held_.at(client).bytes;
  held_.erase(client);
  return state;
}

void ClientStates::put(ClientId client, NamedState state) {
  extract(client);
  held_[client].state = std::move(state);
  settle(client);
}

/// The state in memory, read back where it lies in the file.
NamedState& ClientStates::bring(ClientId client) {
  if (file_ && file_->has(client.value())) {
    Held& held = held_[client];
    held.state.import_tensors(NamedState::parse(file_->get(client.value())), device_);
    file_->drop(client.value());
    held.bytes = held.state.size_bytes();
    memory_bytes_ += held.bytes;
  }
  return held_[client].state;
}

/// Counts what the state has become; puts it into the file where the budget is used up.
void ClientStates::settle(ClientId client) {
  const auto found = held_.find(client);
  Held& held = found->second;
  const std::int64_t before = std::exchange(held.bytes, held.state.size_bytes());
  memory_bytes_ += held.bytes - before;
  const bool fits = options_.memory_bytes == 0 || memory_bytes_ <= options_.memory_bytes;
  if (fits && !held.state.empty()) {
    // What is new was made amid training; this gives it memory apart from what that frees.
    if (held.bytes != before) held.state.import_tensors(held.state.export_tensors(), device_);
    return;
  }
  if (!held.state.empty()) {
    if (!file_) file_ = std::make_unique<ScratchFile>(options_.scratch);
    file_->put(client.value(), held.state.serialize());
    memory_bytes_ -= held.bytes;
  }
  held_.erase(found);
}

}  // namespace harmofl
