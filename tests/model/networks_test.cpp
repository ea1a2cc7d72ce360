// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "harmofl/model/network.hpp"
#include "model/measures/losses.hpp"
#include "model/model.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::classification_of;
using test::random_images;
using test::same_bits;
using test::segmentation_of;

constexpr NormKind norm_kinds[] = {NormKind::batch_stateless, NormKind::batch, NormKind::group};

std::shared_ptr<Network> unet(std::int64_t width, NormKind norm = NormKind::batch_stateless) {
  return make_network({"unet", width, norm}, segmentation_of(32, 32), 1);
}

std::shared_ptr<Network> cnn(std::int64_t width, NormKind norm = NormKind::batch_stateless) {
  return make_network({"cnn", width, norm}, classification_of(32, 32), 1);
}

/// Twice (convolution, norm with two parameters), as PyTorch's state_dict calls them.
void add_block(std::vector<std::string>& names, const std::string& path) {
  for (const std::string number : {"1", "2"}) {
    names.push_back(path + "_conv" + number + ".weight");
    names.push_back(path + "_bn" + number + ".weight");
    names.push_back(path + "_bn" + number + ".bias");
  }
}

TEST(UNet, names_its_parameters_as_pytorch_does) {
  std::vector<std::string> expected;
  for (const std::string n : {"1", "2", "3", "4"}) add_block(expected, "encoder" + n + ".enc" + n);
  add_block(expected, "bottleneck.bottleneck");
  for (const std::string n : {"4", "3", "2", "1"}) {
    expected.push_back("upconv" + n + ".weight");
    expected.push_back("upconv" + n + ".bias");
    add_block(expected, "decoder" + n + ".dec" + n);
  }
  expected.push_back("conv.weight");
  expected.push_back("conv.bias");
  EXPECT_EQ(unet(2, NormKind::batch)->named_parameters().keys(), expected);
}

TEST(UNet, has_as_many_parameters_as_its_layers) {
  for (const std::int64_t width : {2, 8, 32}) {
    std::int64_t expected = 0;
    const auto block = [&](std::int64_t in, std::int64_t out) {
      expected += 3 * 3 * in * out + 3 * 3 * out * out;
    };
    block(3, width);
    for (const std::int64_t m : {2, 4, 8, 16}) block(m / 2 * width, m * width);
    for (const std::int64_t m : {8, 4, 2, 1}) {
      expected += 2 * 2 * 2 * m * width * m * width + m * width;  // transposed convolution, bias
      block(2 * m * width, m * width);
    }
    expected += width * 2 + 2;  // head
    std::int64_t count = 0;
    for (const torch::Tensor& parameter : unet(width)->parameters()) count += parameter.numel();
    EXPECT_EQ(count, expected) << "width " << width;
  }
}

TEST(UNet, gives_one_logit_a_class_and_pixel) {
  for (const auto& [height, width] : {std::pair(16, 16), std::pair(32, 48), std::pair(64, 16)}) {
    ProblemShape shape = segmentation_of(height, width);
    shape.classes = 5;
    shape.channels = 1;
    const auto network = make_network({"unet", 2, NormKind::group}, shape, 1);
    const torch::Tensor logits = network->forward(random_images({3, 1, height, width}, 1));
    EXPECT_EQ(logits.sizes().vec(), (std::vector<std::int64_t>{3, 5, height, width}));
  }
}

TEST(UNet, refuses_sizes_that_16_does_not_divide) {
  for (const auto& [height, width] :
       {std::pair(24, 32), std::pair(32, 40), std::pair(8, 8), std::pair(33, 33)}) {
    try {
      make_network({"unet", 2, NormKind::group}, segmentation_of(height, width), 1);
      ADD_FAILURE() << height << "x" << width << " was accepted";
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("divisible by 16"),
                                               testing::HasSubstr(concat(height, "x", width))));
    }
  }
}

TEST(UNet, refuses_to_classify) {
  EXPECT_THROW(make_network({"unet", 2, NormKind::group}, classification_of(32, 32), 1), UserError);
}

TEST(Cnn, doubles_its_channels_twice) {
  const auto network = cnn(16, NormKind::batch);
  const auto shape = [&](const std::string& name) {
    return network->named_parameters()[name].sizes().vec();
  };
  EXPECT_EQ(shape("conv1.weight"), (std::vector<std::int64_t>{16, 3, 3, 3}));
  EXPECT_EQ(shape("conv2.weight"), (std::vector<std::int64_t>{32, 16, 3, 3}));
  EXPECT_EQ(shape("conv3.weight"), (std::vector<std::int64_t>{64, 32, 3, 3}));
  EXPECT_EQ(shape("bn3.weight"), (std::vector<std::int64_t>{64}));
  EXPECT_EQ(shape("classifier.weight"), (std::vector<std::int64_t>{2, 64}));
}

TEST(Cnn, gives_one_logit_a_class) {
  for (const auto& [height, width] : {std::pair(8, 8), std::pair(17, 30)}) {
    const auto network =
        make_network({"cnn", 2, NormKind::group}, classification_of(height, width), 1);
    const torch::Tensor logits = network->forward(random_images({3, 3, height, width}, 1));
    EXPECT_EQ(logits.sizes().vec(), (std::vector<std::int64_t>{3, 2}));
  }
}

TEST(Cnn, refuses_masks_and_images_too_small_to_halve) {
  EXPECT_THROW(make_network({"cnn", 2, NormKind::group}, segmentation_of(32, 32), 1), UserError);
  EXPECT_THROW(make_network({"cnn", 2, NormKind::group}, classification_of(7, 8), 1), UserError);
}

TEST(Networks, keep_statistics_for_batch_norm_alone) {
  for (const NormKind norm : norm_kinds) {
    EXPECT_EQ(cnn(4, norm)->buffers().size(), norm == NormKind::batch ? 9U : 0U);
  }
  EXPECT_TRUE(cnn(4, NormKind::batch)->named_buffers().contains("bn1.running_mean"));
}

TEST(Networks, begin_with_weights_drawn_from_the_seed_alone) {
  const NetworkOptions options{"cnn", 4, NormKind::batch};
  const auto weights = [&](std::uint64_t seed, std::uint64_t state_of_library) {
    torch::manual_seed(state_of_library);
    std::vector<torch::Tensor> flat;
    for (const auto& parameter :
         make_network(options, classification_of(16, 16), seed)->parameters()) {
      flat.push_back(parameter.flatten());
    }
    return torch::cat(flat);
  };
  EXPECT_TRUE(same_bits(weights(1, 10), weights(1, 20)));
  EXPECT_FALSE(same_bits(weights(1, 10), weights(2, 10)));
}

TEST(Networks, have_a_gradient_in_every_weight_with_every_norm) {
  const torch::Tensor images = random_images({4, 3, 32, 32}, 1);
  const torch::Tensor labels = torch::tensor({0, 1, 1, 0});
  for (const NormKind norm : norm_kinds) {
    for (const auto& network : {unet(2, norm), cnn(4, norm)}) {
      const torch::Tensor logits = network->forward(images);
      const torch::Tensor targets =
          logits.dim() == 2 ? labels : images.select(1, 0).gt(0.5).to(torch::kInt64);
      cross_entropy(logits, targets).backward();
      for (const auto& item : network->named_parameters()) {
        const torch::Tensor gradient = item.value().grad();
        const bool is_weight = item.key().ends_with("weight");
        // Stateless norms cancel a bias before them: the cnn leaves it out.
        if (norm == NormKind::batch_stateless && !is_weight && !gradient.defined()) continue;
        ASSERT_TRUE(gradient.defined()) << item.key();
        EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << item.key();
        EXPECT_TRUE(!is_weight || gradient.norm().item<double>() > 0.0) << item.key();
      }
    }
  }
}

/// A network of labels with torchvision's names, which has as many parameters as torchvision's with
/// two classes.
void expect_as_in_torchvision(const NetworkOptions& options, std::int64_t parameters,
                              const std::vector<std::string>& names) {
  const auto network = make_network(options, classification_of(96, 96), 1);
  std::int64_t count = 0;
  for (const torch::Tensor& parameter : network->parameters()) count += parameter.numel();
  EXPECT_EQ(count, parameters) << options.name;
  for (const std::string& name : names) {
    EXPECT_TRUE(network->named_parameters().contains(name)) << name;
  }
  torch::Tensor features;
  const torch::Tensor logits = network->forward(random_images({2, 3, 96, 96}, 1), &features);
  EXPECT_EQ(logits.sizes(), torch::IntArrayRef({2, 2}));
  EXPECT_EQ(features.sizes(), torch::IntArrayRef({2, network->feature_count()}));
}

TEST(Networks, densenet121_is_torchvisions_but_for_the_authors_padding) {
  for (const char* name : {"densenet121", "densenet121-plain"}) {
    expect_as_in_torchvision(
        {name, 32, NormKind::batch}, 6955906,
        {"features.conv0.weight", "features.norm0.weight",
         "features.denseblock3.denselayer24.conv2.weight", "features.transition3.norm.bias",
         "features.norm5.weight", "classifier.bias"});
  }
}

TEST(Networks, resnet18_is_torchvisions_with_any_norm) {
  for (const NormKind norm : {NormKind::group, NormKind::batch}) {
    expect_as_in_torchvision({"resnet18", 64, norm}, 11177538,
                             {"conv1.weight", "bn1.weight", "layer2.0.downsample.0.weight",
                              "layer2.0.downsample.1.bias", "layer4.1.conv2.weight", "fc.bias"});
  }
}

TEST(Networks, have_features_that_a_projection_head_maps_to_256) {
  ModelOptions options;
  options.network = {"cnn", 4, NormKind::group, /*projection=*/true};
  Model model(options, classification_of(16, 16), 1, torch::kCPU);
  torch::Tensor features;
  model.forward(random_images({3, 3, 16, 16}, 1), &features);
  EXPECT_EQ(features.sizes(), torch::IntArrayRef({3, 256}));
  EXPECT_NO_THROW(model.state().slot("projection.0.weight"));
  EXPECT_NO_THROW(model.state().slot("projection.2.bias"));
}

TEST(Networks, of_unknown_names_are_refused_with_the_known_ones) {
  try {
    make_network({"vgg", 4, NormKind::batch}, segmentation_of(32, 32), 1);
    FAIL() << "nothing was thrown";
  } catch (const UsageError& error) {
    for (const NetworkDefaults& network : network_defaults()) {
      EXPECT_THAT(error.what(), testing::HasSubstr(network.name));
    }
  }
}

TEST(Networks, refuse_a_width_of_no_channels) {
  EXPECT_THROW(unet(0), UserError);
  EXPECT_THROW(cnn(-1), UserError);
}

/// A table: 3 columns as channels of one pixel.
ProblemShape table_of(std::int64_t classes) { return {Task::classification, classes, 3, 1, 1}; }

TEST(Linear, is_one_layer_over_all_values) {
  const auto network = make_network({"linear", 1}, table_of(4), 1);
  EXPECT_EQ(network->named_parameters().keys(),
            (std::vector<std::string>{"linear.weight", "linear.bias"}));
  const torch::Tensor images = random_images({5, 3, 1, 1}, 1);
  const torch::Tensor w = network->named_parameters()["linear.weight"];
  const torch::Tensor b = network->named_parameters()["linear.bias"];
  EXPECT_EQ(w.sizes().vec(), (std::vector<std::int64_t>{4, 3}));
  torch::Tensor features;
  const torch::Tensor logits = network->forward(images, &features);
  EXPECT_TRUE(at::allclose(logits, images.view({5, 3}).matmul(w.t()) + b));
  EXPECT_TRUE(same_bits(features, images.view({5, 3})));
  EXPECT_EQ(network->feature_count(), 3);
}

TEST(Linear, refuses_masks_and_a_width) {
  EXPECT_THROW(make_network({"linear", 1}, segmentation_of(4, 4), 1), UserError);
  EXPECT_THROW(make_network({"linear", 2}, table_of(2), 1), UserError);
}

TEST(Mlp, has_two_hidden_layers_with_relus) {
  const auto network = make_network({"mlp", 7}, table_of(2), 1);
  EXPECT_EQ(network->named_parameters().keys(),
            (std::vector<std::string>{"hidden1.weight", "hidden1.bias", "hidden2.weight",
                                      "hidden2.bias", "classifier.weight", "classifier.bias"}));
  const auto p = network->named_parameters();
  torch::Tensor x = random_images({5, 3, 1, 1}, 1);
  const torch::Tensor logits = network->forward(x);
  x = x.view({5, 3});
  for (const std::string layer : {"hidden1", "hidden2"}) {
    x = (x.matmul(p[layer + ".weight"].t()) + p[layer + ".bias"]).clamp_min(0);
  }
  x = x.matmul(p["classifier.weight"].t()) + p["classifier.bias"];
  EXPECT_TRUE(at::allclose(logits, x));
  EXPECT_EQ(network->feature_count(), 7);
  EXPECT_THROW(make_network({"mlp", 7}, segmentation_of(4, 4), 1), UserError);
}

TEST(Networks, for_tables_see_the_same_values_in_either_memory_format_and_in_bf16) {
  for (const std::string name : {"linear", "mlp"}) {
    const auto network = make_network({name, name == "mlp" ? 7 : 1}, classification_of(4, 6), 1);
    const torch::Tensor images = random_images({5, 3, 4, 6}, 1);
    EXPECT_TRUE(same_bits(network->forward(images),
                          network->forward(images.contiguous(torch::MemoryFormat::ChannelsLast))));
    ModelOptions options;
    options.network = {name, name == "mlp" ? 7 : 1};
    options.channels_last = true;
    const torch::Tensor table = random_images({5, 3, 1, 1}, 2);
    Model model(options, table_of(2), 1, torch::kCPU);
    options.precision = Precision::bf16;
    Model reduced(options, table_of(2), 1, torch::kCPU);
    EXPECT_LT((model.forward(table) - reduced.forward(table)).abs().max().item<double>(), 0.02);
  }
}

TEST(Networks, with_one_output_give_logits_of_two_classes) {
  ModelOptions options;
  options.network = {"linear", 1};
  options.network.one_output = true;
  Model model(options, table_of(2), 1, torch::kCPU);
  EXPECT_EQ(model.parameter_count(), 3 + 1);
  const torch::Tensor images = random_images({5, 3, 1, 1}, 1);
  const torch::Tensor logits = model.forward(images);
  const torch::Tensor z =
      make_network(options.network, table_of(2), 1)->forward(images);  // the same weights
  EXPECT_TRUE(same_bits(logits, at::cat({at::zeros_like(z), z}, 1)));
  Model three(options, table_of(3), 1, torch::kCPU);
  EXPECT_EQ(three.forward(images).size(1), 3);
}

}  // namespace
}  // namespace harmofl
