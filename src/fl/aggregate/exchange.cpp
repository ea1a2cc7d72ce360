// SPDX-License-Identifier: Apache-2.0
#include "fl/aggregate/exchange.hpp"

namespace harmofl {
namespace {

bool stays_local(const Slot& slot, const Algorithm& algorithm, BufferPolicy buffers) {
  const bool statistic = slot.normalization && slot.role == Role::buffer;
  return algorithm.stays_local(slot) || (statistic && buffers == BufferPolicy::local);
}

}  // namespace

std::vector<Slot> local_slots(const Model& model, const Algorithm& algorithm,
                              BufferPolicy buffers) {
  std::vector<Slot> local;
  for (const Slot& slot : model.state().slots()) {
    if (stays_local(slot, algorithm, buffers)) local.push_back(slot);
  }
  return local;
}

Exchange::Exchange(const Model& model, const Algorithm& algorithm, BufferPolicy buffers) {
  const std::int64_t aggregated = model.aggregated_count();
  local_ = local_slots(model, algorithm, buffers);
  std::erase_if(local_, [&](const Slot& slot) { return slot.offset >= aggregated; });
  for (const Slot& slot : model.state().slots()) {
    if (slot.offset < aggregated && !stays_local(slot, algorithm, buffers)) add_shared(slot);
  }
  layout_.extra = algorithm.extra_count(model.parameter_count());
  const bool whole = shared_.size() == 1 && shared_.front().offset == 0 && layout_.extra == 0;
  if (!whole) message_ = torch::empty({layout_.length()}, model.state().state().options());
}

void Exchange::add_shared(const Slot& slot) {
  (slot.role == Role::parameter ? layout_.parameters : layout_.buffers) += slot.count;
  if (!shared_.empty() && shared_.back().offset + shared_.back().count == slot.offset) {
    shared_.back().count += slot.count;
  } else {
    shared_.push_back({slot.offset, slot.count});
  }
}

torch::Tensor Exchange::pack(const torch::Tensor& state, const torch::Tensor& extra) {
  if (!message_.defined()) return state.narrow(0, 0, layout_.length());
  std::int64_t position = 0;
  for (const Stretch& stretch : shared_) {
    message_.narrow(0, position, stretch.count)
        .copy_(state.narrow(0, stretch.offset, stretch.count));
    position += stretch.count;
  }
  if (layout_.extra > 0) message_.narrow(0, position, layout_.extra).copy_(extra);
  return message_;
}

void Exchange::unpack(const torch::Tensor& message, const torch::Tensor& rest,
                      const torch::Tensor& state) const {
  std::int64_t position = 0, done = 0;
  const auto keep_until = [&](std::int64_t end) {
    if (end > done) state.narrow(0, done, end - done).copy_(rest.narrow(0, done, end - done));
  };
  for (const Stretch& stretch : shared_) {
    keep_until(stretch.offset);
    state.narrow(0, stretch.offset, stretch.count)
        .copy_(message.narrow(0, position, stretch.count));
    position += stretch.count;
    done = stretch.offset + stretch.count;
  }
  keep_until(state.numel());
}

void Exchange::keep_local(const ParameterVector& w, NamedState& client) const {
  torch::NoGradGuard no_grad;
  for (const Slot& slot : local_) {
    const torch::Tensor value = ParameterVector::view(w.state(), slot);
    client.tensor(local_prefix + slot.name, value).copy_(value);
  }
}

bool is_personal(const std::string& name, const Algorithm& algorithm) {
  return name.starts_with(local_prefix) || name == algorithm.personal_state();
}

bool personalize_layers(Model& model, const NamedState& client) {
  if (client.empty()) return false;  // as most are, and models have hundreds of slots
  torch::NoGradGuard no_grad;
  bool any = false;
  for (const Slot& slot : model.state().slots()) {
    const std::string name = local_prefix + slot.name;
    if (client.has(name)) {
      ParameterVector::view(model.state().state(), slot).copy_(client.get(name));
      any = true;
    }
  }
  return any;
}

void personalize(Model& model, const NamedState& client, const Algorithm& algorithm) {
  torch::NoGradGuard no_grad;
  if (client.has(algorithm.personal_state())) {
    model.state()
        .state()
        .narrow(0, 0, model.network_count())
        .copy_(client.get(algorithm.personal_state()));
  }
  personalize_layers(model, client);
}

}  // namespace harmofl
