// SPDX-License-Identifier: Apache-2.0
#include "fl/gpu_needs.hpp"

#include "fl/run/kept_tensors.hpp"
#include "model/device/device_memory.hpp"

#include <algorithm>

namespace harmofl {
namespace {

constexpr auto float_bytes = static_cast<std::int64_t>(sizeof(float));
constexpr auto double_bytes = static_cast<std::int64_t>(sizeof(double));

std::int64_t bytes_of_shapes(const KeptShapes& shapes) {
  std::int64_t values = 0;
  for (const auto& [name, shape] : shapes) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    values += count;
  }
  return values * float_bytes;
}

/// A client with one full batch of zeros.
ClientData zeros(const ProblemShape& shape, std::int64_t images) {
  ClientData client;
  client.task = shape.task;
  client.classes = shape.classes;
  Samples& samples = client.split(Split::train);
  samples.images = torch::zeros({images, shape.channels, shape.height, shape.width}, torch::kUInt8);
  samples.targets = shape.task == Task::segmentation
                        ? torch::zeros({images, shape.height, shape.width}, torch::kUInt8)
                        : torch::zeros({images}, torch::kInt64);
  return client;
}

/// The same step as in a run, as it is and once.
LocalOptions one_step(LocalOptions local) {
  local.local_epochs = 1;
  local.local_steps = 0;
  local.graphs = false;
  local.loss.weigh_by_frequency = false;
  return local;
}

}  // namespace

std::int64_t sum_bytes(std::int64_t values, Reduction reduction) {
  const std::int64_t global = 1, start = 1, message = 1, sum = 1;
  const std::int64_t floats = values * float_bytes * (global + start + message + sum);
  if (reduction == Reduction::fast) return floats + values * float_bytes;  // a product
  const std::int64_t fixed = 1, units = 1, while_adding = 3;
  return floats + values * double_bytes * (fixed + units + while_adding);
}

GpuNeeds gpu_needs(const SimulationOptions& options, const Federation& federation,
                   std::int64_t ranks, torch::Device device) {
  restart_gpu_peak(device);
  GpuNeeds needs;
  {
    Model model(options.model, federation.shape, options.seed, device);
    const auto algorithm = make_algorithm(options.algorithm, options.algorithm_values);
    LocalTrainer trainer(model, *algorithm, one_step(options.local));
    ClientData client = zeros(federation.shape, options.local.batches.batch_size);
    if (!device.is_cpu()) client.split(Split::train).batch_device = device;
    NamedState kept;
    trainer.train(client, {RoundId{0}, ClientId{0}, options.seed}, kept, {});
    needs.step_bytes = peak_gpu_bytes();
    const std::int64_t clients = (federation.size() + ranks - 1) / ranks;
    std::int64_t states =
        clients *
        bytes_of_shapes(client_shapes(model, *algorithm, options.buffers, options.local.optimizer));
    if (options.state.memory_bytes > 0) states = std::min(states, options.state.memory_bytes);
    needs.kept_bytes = states + bytes_of_shapes(server_shapes(model, *algorithm)) +
                       sum_bytes(model.state().state().numel(), options.reduction);
  }
  restart_gpu_peak(device);
  return needs;
}

}  // namespace harmofl
