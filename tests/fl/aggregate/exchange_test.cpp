// SPDX-License-Identifier: Apache-2.0
// What travels and what stays: layouts, messages, layers of a client's own.
#include "fl/aggregate/exchange.hpp"

#include "model/tensors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::same_bits;

Model make_model(NormKind norm, Band band = Band::off) {
  ModelOptions options;
  options.network = {"cnn", 4, norm};
  options.amplitude.band = band;
  return Model(options, ProblemShape{Task::classification, 2, 3, 16, 16}, 1, torch::kCPU);
}

std::int64_t count(const Model& model, const std::function<bool(const Slot&)>& wanted) {
  std::int64_t sum = 0;
  for (const Slot& slot : model.state().slots()) sum += wanted(slot) ? slot.count : 0;
  return sum;
}

torch::Tensor numbered(const Model& model, double first) {
  return torch::arange(model.state().state().numel()).to(torch::kFloat32) + first;
}

TEST(Exchange, sends_all_of_the_state_without_a_copy_unless_something_stays) {
  const Model model = make_model(NormKind::batch);
  const auto fedavg = make_algorithm("fedavg", {});
  Exchange exchange(model, *fedavg, BufferPolicy::average);
  EXPECT_EQ(exchange.layout(), (MessageLayout{model.parameter_count(),
                                              model.network_count() - model.parameter_count(), 0}));
  const torch::Tensor state = numbered(model, 0);
  EXPECT_EQ(exchange.pack(state, {}).const_data_ptr(), state.const_data_ptr());
}

TEST(Exchange, leaves_norm_layers_with_their_client_for_fedbn) {
  const Model model = make_model(NormKind::batch);
  const auto fedbn = make_algorithm("fedbn", {});
  Exchange exchange(model, *fedbn, BufferPolicy::average);
  const auto shared = [](const Slot& slot) { return !slot.normalization; };
  EXPECT_EQ(exchange.layout(), (MessageLayout{count(model, shared), 0, 0}));
  const torch::Tensor message = exchange.pack(numbered(model, 0), {});
  EXPECT_EQ(message.numel(), exchange.layout().length());
  const torch::Tensor state = torch::full_like(numbered(model, 0), -1.0);
  exchange.unpack(message, numbered(model, 1e6), state);
  for (const Slot& slot : model.state().slots()) {
    const torch::Tensor from = numbered(model, slot.normalization ? 1e6 : 0);
    EXPECT_TRUE(same_bits(state.narrow(0, slot.offset, slot.count),
                          from.narrow(0, slot.offset, slot.count)))
        << slot.name;
  }
}

TEST(Exchange, leaves_what_is_no_longer_sent_as_it_was) {
  Model model = make_model(NormKind::batch_stateless, Band::dc);
  model.amplitude().freeze();
  const auto fedavg = make_algorithm("fedavg", {});
  const Exchange exchange(model, *fedavg, BufferPolicy::average);
  const std::int64_t sent = exchange.layout().length();
  const std::int64_t rest = model.state().state().numel() - sent;
  ASSERT_GT(rest, 0);
  const torch::Tensor state = torch::full_like(numbered(model, 0), -1.0);
  exchange.unpack(torch::full({sent}, 3.0), numbered(model, 0), state);
  EXPECT_TRUE(same_bits(state.narrow(0, 0, sent), torch::full({sent}, 3.0)));
  EXPECT_TRUE(same_bits(state.narrow(0, sent, rest), numbered(model, 0).narrow(0, sent, rest)));
}

TEST(Exchange, leaves_statistics_alone_with_their_client_when_buffers_are_local) {
  const Model model = make_model(NormKind::batch, Band::dc);
  const auto fedavg = make_algorithm("fedavg", {});
  const Exchange exchange(model, *fedavg, BufferPolicy::local);
  const std::int64_t amplitude = 3 * 16 * 16;  // still travels, until it is frozen
  EXPECT_EQ(exchange.layout(), (MessageLayout{model.parameter_count(), amplitude, 0}));
}

TEST(Exchange, stops_sending_the_amplitude_once_it_is_frozen) {
  Model model = make_model(NormKind::batch_stateless, Band::dc);
  const auto fedavg = make_algorithm("fedavg", {});
  EXPECT_EQ(Exchange(model, *fedavg, BufferPolicy::average).layout().buffers, 3 * 16 * 16);
  model.amplitude().freeze();
  EXPECT_EQ(Exchange(model, *fedavg, BufferPolicy::average).layout().buffers, 0);
}

TEST(Exchange, puts_what_a_method_sends_behind_the_state) {
  const Model model = make_model(NormKind::batch);
  const auto scaffold = make_algorithm("scaffold", {});
  Exchange exchange(model, *scaffold, BufferPolicy::average);
  ASSERT_EQ(exchange.layout().extra, model.parameter_count());
  const torch::Tensor state = numbered(model, 0);
  const torch::Tensor extra = torch::full({model.parameter_count()}, 7.0);
  const torch::Tensor message = exchange.pack(state, extra);
  EXPECT_TRUE(same_bits(message, at::cat({state, extra})));
}

TEST(Exchange, gives_a_client_its_own_layers_back) {
  Model model = make_model(NormKind::batch);
  const auto fedbn = make_algorithm("fedbn", {});
  const Exchange exchange(model, *fedbn, BufferPolicy::average);
  NamedState client;
  model.state().state().copy_(numbered(model, 0));
  exchange.keep_local(model.state(), client);
  model.state().state().fill_(-1.0);
  EXPECT_TRUE(personalize_layers(model, client));
  EXPECT_FALSE(personalize_layers(model, NamedState()));
  for (const Slot& slot : model.state().slots()) {
    const torch::Tensor expected = slot.normalization
                                       ? numbered(model, 0).narrow(0, slot.offset, slot.count)
                                       : torch::full({slot.count}, -1.0);
    EXPECT_TRUE(same_bits(model.state().state().narrow(0, slot.offset, slot.count), expected))
        << slot.name;
  }
}

}  // namespace
}  // namespace harmofl
