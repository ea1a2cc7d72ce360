// SPDX-License-Identifier: Apache-2.0
#include "harmofl/model/parameter_vector.hpp"

#include "harmofl/model/network.hpp"
#include "io/samples.hpp"
#include "model/measures/losses.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace harmofl {
namespace {

using test::distance;
using test::random_images;
using test::same_bits;
using test::user_error_of;
using testing::AllOf;
using testing::HasSubstr;

/// Two memory formats sum in two orders; of values about 1.
constexpr double format_tolerance = 1e-5;

std::shared_ptr<Network> network(std::uint64_t seed = 1) {
  return make_network({"unet", 4, NormKind::batch}, test::segmentation_of(32, 32), seed);
}

torch::Tensor images() { return random_images({2, 3, 32, 32}, 1); }

torch::Tensor loss_of(Network& net) {
  return cross_entropy(net.forward(images()), images().select(1, 0).gt(0.5).to(torch::kInt64));
}

/// Calls `check(channels_last)` for both memory formats.
template <class Check>
void in_both_formats(const Check& check) {
  for (const bool channels_last : {false, true}) {
    SCOPED_TRACE(testing::Message() << "channels_last " << channels_last);
    check(channels_last);
  }
}

TEST(ParameterVector, lays_out_parameters_then_buffers_then_those_that_trail) {
  const auto net = network();
  torch::Tensor trailing = torch::full({2, 3}, 5.0);
  const ParameterVector w(*net, {{"extra.amplitude", &trailing}}, true);
  std::vector<std::string> expected = net->named_parameters().keys();
  const std::size_t parameters = expected.size();
  for (const std::string& name : net->named_buffers().keys()) expected.push_back(name);
  expected.push_back("extra.amplitude");
  ASSERT_EQ(w.slots().size(), expected.size());
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Slot& slot = w.slots()[i];
    EXPECT_EQ(slot.name, expected[i]);
    EXPECT_EQ(slot.offset, offset);
    EXPECT_EQ(slot.role, i < parameters ? Role::parameter : Role::buffer);
    offset += slot.count;
    if (i + 1 == parameters) {
      EXPECT_EQ(w.parameters().numel(), offset);
    }
  }
  EXPECT_EQ(w.state().numel(), offset);
  EXPECT_EQ(w.gradients().numel(), w.parameters().numel());
}

TEST(ParameterVector, keeps_the_values_that_the_module_had) {
  in_both_formats([](bool channels_last) {
    const auto untouched = network();
    const auto net = network();
    const ParameterVector w(*net, {}, channels_last);
    for (const auto& item : untouched->named_parameters()) {
      EXPECT_TRUE(same_bits(net->named_parameters()[item.key()], item.value())) << item.key();
      EXPECT_TRUE(same_bits(ParameterVector::view(w.state(), w.slot(item.key())), item.value()));
    }
  });
}

TEST(ParameterVector, and_module_are_the_same_memory) {
  in_both_formats([](bool channels_last) {
    torch::NoGradGuard no_grad;
    const auto net = network();
    torch::Tensor trailing = torch::zeros({2, 3});
    const ParameterVector w(*net, {{"trailing", &trailing}}, channels_last);
    w.state().fill_(0.5);
    for (const auto& p : net->parameters()) EXPECT_TRUE(p.eq(0.5).all().item<bool>());
    for (const auto& b : net->buffers()) EXPECT_TRUE(b.eq(0.5).all().item<bool>());
    EXPECT_TRUE(trailing.eq(0.5).all().item<bool>());

    for (const auto& p : net->parameters()) p.fill_(2.0);
    for (const auto& b : net->buffers()) b.fill_(3.0);
    trailing.fill_(3.0);
    EXPECT_TRUE(w.parameters().eq(2.0).all().item<bool>());
    const std::int64_t trained = w.parameters().numel();
    EXPECT_TRUE(
        w.state().narrow(0, trained, w.state().numel() - trained).eq(3.0).all().item<bool>());
  });
}

TEST(ParameterVector, receives_the_gradients_of_autograd) {
  in_both_formats([](bool channels_last) {
    const auto plain = network();
    loss_of(*plain).backward();
    const auto net = network();
    const ParameterVector w(*net, {}, channels_last);
    loss_of(*net).backward();
    for (const auto& item : plain->named_parameters()) {
      const torch::Tensor gradient = ParameterVector::view(w.gradients(), w.slot(item.key()));
      EXPECT_LT(distance(gradient, item.value().grad()), format_tolerance) << item.key();
    }
    EXPECT_GT(w.gradients().norm().item<double>(), 100.0 * format_tolerance);
  });
}

TEST(ParameterVector, accumulates_gradients_until_they_are_zeroed) {
  in_both_formats([](bool channels_last) {
    const auto net = network();
    const ParameterVector w(*net, {}, channels_last);
    loss_of(*net).backward();
    const torch::Tensor once = w.gradients().clone();
    loss_of(*net).backward();
    EXPECT_LT(distance(w.gradients(), 2.0 * once), format_tolerance);
    w.gradients().zero_();
    loss_of(*net).backward();
    EXPECT_TRUE(same_bits(w.gradients(), once));
  });
}

TEST(ParameterVector, exports_the_same_tensors_in_either_memory_format) {
  const auto nets = std::pair{network(), network()};
  const auto plain = ParameterVector(*nets.first, {}, false).export_tensors();
  const auto channels_last = ParameterVector(*nets.second, {}, true).export_tensors();
  ASSERT_EQ(plain.size(), channels_last.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(plain[i].name, channels_last[i].name);
    EXPECT_EQ(plain[i].role, channels_last[i].role);
    EXPECT_EQ(plain[i].shape, channels_last[i].shape);
    EXPECT_EQ(plain[i].values, channels_last[i].values) << plain[i].name;
  }
}

TEST(ParameterVector, gives_the_same_logits_in_either_memory_format) {
  const auto nets = std::pair{network(), network()};
  const ParameterVector plain(*nets.first, {}, false);
  const ParameterVector channels_last(*nets.second, {}, true);
  EXPECT_LT(distance(nets.first->forward(images()), nets.second->forward(images())),
            10.0 * format_tolerance);
}

TEST(ParameterVector, restores_a_model_from_its_exported_tensors) {
  in_both_formats([](bool channels_last) {
    const auto trained = network(1);
    const ParameterVector source(*trained, {}, channels_last);
    trained->forward(images());  // moves the running statistics
    const auto other = network(2);
    ParameterVector target(*other, {}, channels_last);
    trained->eval();
    other->eval();
    ASSERT_FALSE(same_bits(trained->forward(images()), other->forward(images())));
    target.import_tensors(source.export_tensors(), "model.h5");
    EXPECT_TRUE(same_bits(target.state(), source.state()));
    EXPECT_TRUE(same_bits(trained->forward(images()), other->forward(images())));
  });
}

TEST(ParameterVector, refuses_tensors_that_do_not_fit_and_stays_as_it_was) {
  const auto net = network();
  ParameterVector w(*net, {}, true);
  const torch::Tensor before = w.state().clone();
  const auto message_without = [&](const auto& damage) {
    std::vector<NamedTensor> tensors = w.export_tensors();
    for (NamedTensor& tensor : tensors) std::ranges::fill(tensor.values, 9.0F);
    damage(tensors);
    return user_error_of([&] { w.import_tensors(tensors, "model.h5"); });
  };
  EXPECT_THAT(message_without([](auto& t) { t.pop_back(); }),
              AllOf(HasSubstr("model.h5: has no tensor"), HasSubstr(w.slots().back().name)));
  EXPECT_THAT(message_without([](auto& t) { t.push_back({"stray.weight", "", {1}, {1.0F}}); }),
              AllOf(HasSubstr("model.h5: holds tensor"), HasSubstr("stray.weight")));
  EXPECT_THAT(message_without([](auto& t) { t[0].shape = {4, 3, 9}; }),
              AllOf(HasSubstr("model.h5"), HasSubstr("encoder1.enc1_conv1.weight"),
                    HasSubstr("[4, 3, 9]"), HasSubstr("[4, 3, 3, 3]")));
  EXPECT_TRUE(same_bits(w.state(), before));
}

TEST(ParameterVector, lists_its_tensors_when_asked_for_an_unknown_one) {
  const auto net = network();
  const ParameterVector w(*net, {}, true);
  EXPECT_EQ(w.slot("upconv4.bias").shape, (std::vector<std::int64_t>{32}));
  EXPECT_THAT(user_error_of([&] { w.slot("upconv5.bias"); }),
              AllOf(HasSubstr("upconv5.bias"), HasSubstr("upconv4.bias")));
}

}  // namespace
}  // namespace harmofl
