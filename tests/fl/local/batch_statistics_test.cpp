// SPDX-License-Identifier: Apache-2.0
#include "fl/local/batch_statistics.hpp"

#include "fl/small_federation.hpp"
#include "model/tensors.hpp"

#include <gtest/gtest.h>

namespace harmofl {
namespace {

constexpr double tolerance = 1e-5;  ///< Of float32 means of a few numbers about 1.

class BatchStatistics : public testing::Test {
 protected:
  /// The running statistics after one batch in training, from those of a new network on.
  torch::Tensor after(const torch::Tensor& images, double momentum) {
    torch::NoGradGuard no_grad;
    model_.set_training(true);
    model_.set_statistics_momentum(momentum);
    model_.forward(images);
    return statistics();
  }

  /// All running means and variances.
  torch::Tensor statistics() const {
    std::vector<torch::Tensor> all;
    for (const Slot& slot : model_.state().slots()) {
      if (slot.name.find("running_") == std::string::npos) continue;
      all.push_back(
          ParameterVector::view(model_.state().state(), slot).flatten().to(torch::kFloat64));
    }
    return at::cat(all);
  }

  std::vector<torch::Tensor> batches() const {
    std::vector<torch::Tensor> all;
    BatchStream stream(samples_, {.batch_size = 3, .format = model_.memory_format()});
    while (const auto batch = stream.next()) all.push_back(batch->images);
    return all;
  }

  static ModelOptions options() {
    ModelOptions options;
    options.network = {"unet", 2, NormKind::batch};
    return options;
  }

  std::vector<ClientData> clients_ = test::unequal_sites(1).clients;
  const Samples& samples_ = clients_.front().split(Split::train);
  Model model_{options(), test::segmentation_of(32, 32), 1, torch::kCPU};
};

TEST_F(BatchStatistics, are_the_means_over_all_batches_without_augmentation) {
  torch::Tensor sum = torch::zeros_like(statistics());
  const std::vector<torch::Tensor> all = batches();
  ASSERT_GT(all.size(), 1U);
  for (const torch::Tensor& images : all) {
    model_.reset_statistics();
    sum += after(images, 1.0);
  }
  recompute_statistics(model_, samples_, {.batch_size = 3, .augment = true});
  EXPECT_LT(test::distance(statistics(), sum / static_cast<double>(all.size())), tolerance);
}

TEST_F(BatchStatistics, move_as_before_when_training_goes_on) {
  const torch::Tensor images = batches().front();
  model_.reset_statistics();
  const torch::Tensor batch = after(images, 1.0);
  recompute_statistics(model_, samples_, {.batch_size = 3});
  const torch::Tensor before = statistics();
  torch::NoGradGuard no_grad;
  model_.forward(images);
  EXPECT_LT(test::distance(statistics(), 0.9 * before + 0.1 * batch), tolerance);
  EXPECT_GT(test::distance(before, batch), 10 * tolerance) << "the case shows nothing";
}

}  // namespace
}  // namespace harmofl
