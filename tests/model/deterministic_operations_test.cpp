// SPDX-License-Identifier: Apache-2.0
// device.deterministic refuses what libtorch has no fixed order of sums for on a GPU. Which
// operations these are is in its documentation (torch.use_deterministic_algorithms); that no
// network or loss of this program uses one is found here without a GPU.
#include "base/host_paths.hpp"
#include "harmofl/model/network.hpp"
#include "model/measures/losses.hpp"
#include "model/model.hpp"
#include "model/tensors.hpp"

#include <ATen/Context.h>
#include <ATen/record_function.h>
#include <gmock/gmock.h>

#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace harmofl {
namespace {

std::mutex heard_mutex;
std::set<std::string> heard;

std::unique_ptr<at::ObserverContext> hear(const at::RecordFunction& function) {
  const std::lock_guard lock(heard_mutex);
  heard.insert(function.name());
  return nullptr;
}

/// Names of libtorch's operations that `work` and what it calls use.
template <class Work>
std::set<std::string> operations_of(const Work& work) {
  heard.clear();
  const at::CallbackHandle handle =
      at::addGlobalCallback(at::RecordFunctionCallback(&hear).scopes({at::RecordScope::FUNCTION}));
  work();
  at::removeCallback(handle);
  return heard;
}

/// Those that are refused, by the names of their kernels for any device. Convolutions, products,
/// gather, scatter_add and index_select have a fixed order under that setting.
const std::set<std::string> refused{"aten::nll_loss2d_forward",
                                    "aten::nll_loss2d_backward",
                                    "aten::_adaptive_avg_pool2d_backward",
                                    "aten::avg_pool3d_backward",
                                    "aten::_adaptive_avg_pool3d_backward",
                                    "aten::max_pool3d_with_indices_backward",
                                    "aten::adaptive_max_pool2d_backward",
                                    "aten::fractional_max_pool2d_backward",
                                    "aten::max_unpool2d",
                                    "aten::upsample_linear1d_backward",
                                    "aten::upsample_bilinear2d_backward",
                                    "aten::upsample_bicubic2d_backward",
                                    "aten::upsample_trilinear3d_backward",
                                    "aten::reflection_pad2d_backward",
                                    "aten::replication_pad2d_backward",
                                    "aten::grid_sampler_2d_backward",
                                    "aten::_ctc_loss_backward",
                                    "aten::_embedding_bag_dense_backward",
                                    "aten::put_",
                                    "aten::histc",
                                    "aten::kthvalue",
                                    "aten::cumsum"};

std::set<std::string> refused_of(const std::set<std::string>& used) {
  std::set<std::string> found;
  for (const std::string& name : used) {
    if (refused.contains(name)) found.insert(name);
  }
  return found;
}

/// The operations of a step of a network with a loss, by the paths of a GPU.
std::set<std::string> operations_of_step(const std::string& network, NormKind norm,
                                         const LossOptions& loss_options) {
  const GpuPaths paths;
  const bool masks = network == "unet";
  ModelOptions options;
  options.network = {network, network == "linear" ? 1 : 2, norm};
  options.amplitude.band = Band::low;
  Model model(options, masks ? test::segmentation_of(32, 32) : test::classification_of(32, 32), 1,
              torch::kCPU);
  model.set_training(true);
  const torch::Tensor targets =
      masks ? torch::zeros({4, 32, 32}, torch::kInt64) : torch::zeros({4}, torch::kInt64);
  const torch::Tensor images = test::random_images({4, 3, 32, 32}, 2);
  return operations_of([&] {
    loss(loss_options, model.forward(model.amplitude().observe(images)), targets, model.kernels())
        .backward();
  });
}

class DeterministicOperations : public testing::Test {
 protected:
  void SetUp() override { at::globalContext().setDeterministicAlgorithms(true, false); }
  void TearDown() override { at::globalContext().setDeterministicAlgorithms(false, false); }
};

TEST_F(DeterministicOperations, are_all_that_the_networks_use) {
  for (const NetworkDefaults& network : network_defaults()) {
    for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
      EXPECT_THAT(refused_of(operations_of_step(network.name, norm, LossKind::cross_entropy)),
                  testing::IsEmpty())
          << network.name << ", norm " << static_cast<int>(norm);
    }
  }
}

TEST_F(DeterministicOperations, are_all_that_the_losses_use) {
  for (const LossKind kind :
       {LossKind::cross_entropy, LossKind::cross_entropy_dice, LossKind::focal, LossKind::bce}) {
    LossOptions options(kind);
    for (const bool weighted : {false, true}) {
      options.class_weights = weighted ? std::vector<double>{0.5, 2.0} : std::vector<double>{};
      EXPECT_THAT(refused_of(operations_of_step("unet", NormKind::batch, options)),
                  testing::IsEmpty())
          << static_cast<int>(kind);
    }
  }
}

TEST_F(DeterministicOperations, are_not_all_there_are) {
  at::globalContext().setDeterministicAlgorithms(false, false);
  EXPECT_THAT(refused_of(operations_of_step("unet", NormKind::batch, LossKind::cross_entropy)),
              testing::IsSupersetOf({"aten::nll_loss2d_forward", "aten::nll_loss2d_backward"}));
}

}  // namespace
}  // namespace harmofl
