#include "harmofl/model/cnn.hpp"

#include "harmofl/base/error.hpp"

namespace harmofl {

Cnn::Cnn(const NetworkOptions& options, const ProblemShape& shape)
    : convs_{nullptr, nullptr, nullptr} {
  HARMOFL_VALIDATE(shape.task == Task::classification,
                   "model.name = cnn classifies images, but the shards' task is segmentation. ",
                   "Use model.name = unet.");
  HARMOFL_VALIDATE(shape.height >= 8 && shape.width >= 8,
                   "model.name = cnn halves images three times, so they need 8x8 pixels at least, ",
                   "but the shards hold ", shape.height, "x", shape.width, ".");
  std::int64_t in = shape.channels;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::string number = std::to_string(level + 1);
    const std::int64_t out = options.width << level;
    convs_[level] = register_module(
        "conv" + number, torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1)));
    norms_[level] = register_module("bn" + number, std::make_shared<Norm>(options.norm, out));
    in = out;
  }
  classifier_ = register_module("classifier", torch::nn::Linear(in, shape.classes));
}

torch::Tensor Cnn::forward(const torch::Tensor& images, torch::Tensor* features) {
  torch::Tensor x = images;
  for (std::size_t level = 0; level < levels; ++level) {
    x = at::max_pool2d(norms_[level]->forward(convs_[level](x)).relu_(), 2);
  }
  x = x.mean({2, 3});
  if (features != nullptr) *features = x;
  return classifier_(x);
}

}  // namespace harmofl
