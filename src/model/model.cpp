#include "harmofl/model/model.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/model/network.hpp"

namespace harmofl {
Model::Model(const ModelOptions& options, const ProblemShape& shape, std::uint64_t seed,
             torch::Device device)
    : device_(device),
      channels_last_(options.channels_last),
      amplitude_(options.amplitude, shape.channels, shape.height, shape.width),
      network_(make_network(options.network, shape, seed)) {
  network_->to(device);
  std::vector<std::pair<std::string, torch::Tensor*>> trailing;
  if (amplitude_.active()) {
    amplitude_.running_amplitude() = amplitude_.running_amplitude().to(device);
    trailing.emplace_back("amp_norm.running_amp", &amplitude_.running_amplitude());
  }
  state_ = std::make_unique<ParameterVector>(*network_, trailing, channels_last_);
}

void Model::set_training(bool training) { network_->train(training); }

torch::Tensor Model::forward(const torch::Tensor& images) {
  return network_->forward(channels_last_ ? images.contiguous(torch::MemoryFormat::ChannelsLast)
                                          : images);
}

std::int64_t Model::aggregated_count() const {
  const std::int64_t all = state_->state().numel();
  return amplitude_.active() && amplitude_.frozen() ? state_->slots().back().offset : all;
}

void Model::install(const torch::Tensor& average) {
  HARMOFL_EXPECT(average.numel() == aggregated_count());
  state_->state().narrow(0, 0, average.numel()).copy_(average);
  if (!amplitude_.frozen()) amplitude_.freeze();
}

}  // namespace harmofl
