// SPDX-License-Identifier: Apache-2.0
// model.kernels: whose operations a model's forward and backward passes and its loss are.
#include "base/host_paths.hpp"
#include "harmofl/base/text.hpp"
#include "kernels/choice.hpp"
#include "model/measures/losses.hpp"
#include "model/model.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>
#include <torch/csrc/autograd/function.h>

#include <set>
#include <thread>

namespace harmofl {
namespace {

using test::random_images;
using testing::HasSubstr;

struct Choice {
  std::string network;
  NormKind norm;
  Kernels kernels;
  bool channels_last;
  Precision precision = Precision::fp32;
};

/// Names of all functions of the backward pass that are this project's.
std::set<std::string> own_functions(const torch::Tensor& value) {
  std::set<std::string> names;
  std::set<torch::autograd::Node*> seen;
  std::vector<torch::autograd::Node*> open{value.grad_fn().get()};
  while (!open.empty()) {
    torch::autograd::Node* const node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (node->name().find("harmofl") != std::string::npos) names.insert(node->name());
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return names;
}

std::set<std::string> own_functions(const Choice& choice) {
  const bool masks = choice.network == "unet";
  ModelOptions options;
  const std::int64_t width = choice.network == "linear" ? 1 : 16;
  options.network = {choice.network, width, choice.norm};
  options.kernels = choice.kernels;
  options.channels_last = choice.channels_last;
  options.precision = choice.precision;
  const ProblemShape shape =
      masks ? test::segmentation_of(32, 32) : test::classification_of(32, 32);
  Model model(options, shape, 1, torch::kCPU);
  model.set_training(true);
  const torch::Tensor targets =
      masks ? torch::zeros({4, 32, 32}, torch::kInt64) : torch::zeros({4}, torch::kInt64);
  return own_functions(loss(LossKind::cross_entropy,
                            model.forward(random_images({4, 3, 32, 32}, 2)), targets,
                            model.kernels()));
}

TEST(KernelChoice, of_libtorch_leaves_no_function_of_this_project_in_any_network) {
  for (const NetworkDefaults& network : network_defaults()) {
    for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
      for (const bool channels_last : {false, true}) {
        for (const Precision precision : {Precision::fp32, Precision::bf16}) {
          const Choice choice{network.name, norm, Kernels::libtorch, channels_last, precision};
          EXPECT_TRUE(own_functions(choice).empty()) << network.name;
        }
      }
    }
  }
}

TEST(KernelChoice, of_own_kernels_uses_none_on_the_paths_of_a_gpu) {
  const GpuPaths paths;
  for (const NetworkDefaults& network : network_defaults()) {
    for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
      for (const Precision precision : {Precision::fp32, Precision::bf16}) {
        EXPECT_TRUE(own_functions({network.name, norm, Kernels::own, true, precision}).empty())
            << network.name << " " << to_string(precision);
      }
    }
  }
}

TEST(KernelChoice, of_own_kernels_uses_them_for_each_network_with_batch_norms) {
  for (const NetworkDefaults& network : network_defaults()) {
    if (network.name == "linear" || network.name == "mlp") continue;  // without norms
    const Choice choice{network.name, NormKind::batch_stateless, Kernels::own, true};
    EXPECT_FALSE(own_functions(choice).empty()) << network.name;
  }
  const auto of_unet = own_functions({"unet", NormKind::batch_stateless, Kernels::own, true});
  for (const char* const name : {"Conv3x3", "FusedNorm", "Concatenation", "FusedLoss"}) {
    EXPECT_THAT(of_unet, testing::Contains(HasSubstr(name)));
  }
}

TEST(KernelChoice, of_amplitudes_agrees_with_the_other_in_all_bands) {
  for (const std::string band : {"dc", "low:0.1", "full"}) {
    AmplitudeOptions options;
    parse_band(band, options);
    AmplitudeNormalization own(options, 3, 24, 20, Kernels::own);
    AmplitudeNormalization libtorch(options, 3, 24, 20, Kernels::libtorch);
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      if (seed == 2) own.freeze(), libtorch.freeze();
      const torch::Tensor images = random_images({3, 3, 24, 20}, seed);
      EXPECT_LT(test::distance(own.observe(images), libtorch.observe(images)), 1e-6) << band;
    }
    EXPECT_LT(test::distance(own.running_amplitude(), libtorch.running_amplitude()), 1e-4) << band;
  }
}

TEST(KernelScope, ends_with_its_block_and_binds_its_thread_alone) {
  EXPECT_EQ(kernels_in_use(), Kernels::own);
  {
    const KernelScope outer(Kernels::libtorch);
    {
      const KernelScope inner(Kernels::own);
      EXPECT_EQ(kernels_in_use(), Kernels::own);
    }
    EXPECT_EQ(kernels_in_use(), Kernels::libtorch);
    Kernels elsewhere = Kernels::libtorch;
    std::thread([&] { elsewhere = kernels_in_use(); }).join();
    EXPECT_EQ(elsewhere, Kernels::own);
  }
  EXPECT_EQ(kernels_in_use(), Kernels::own);
}

}  // namespace
}  // namespace harmofl
