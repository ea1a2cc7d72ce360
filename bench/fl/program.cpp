// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include "base/process/memory.hpp"
#include "fl/run/rank_device.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/model/network.hpp"
#include "model/weights/weights_file.hpp"

#include <torch/utils.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

namespace harmofl::bench {
namespace {

Precision precision_of(const std::string& text) {
  for (const Precision known : {Precision::fp32, Precision::tf32, Precision::bf16}) {
    if (text == to_string(known)) return known;
  }
  throw UsageError(concat("precision=", text, " is unknown. Known: fp32, tf32, bf16."));
}

NamedTensor named(const std::string& name, const torch::Tensor& tensor) {
  const torch::Tensor values = tensor.to(torch::kFloat32).contiguous();
  const float* first = values.const_data_ptr<float>();
  return {name, "", values.sizes().vec(), {first, first + values.numel()}};
}

bool is_harmofl(const Arguments& arguments) {
  return arguments.text("method", "harmofl") == "harmofl";
}

}  // namespace

Arguments::Arguments(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t sign = word.find('=');
    if (sign == std::string::npos) throw UsageError(concat(word, ": words are name=value."));
    values_[word.substr(0, sign)] = word.substr(sign + 1);
  }
}

const std::string& Arguments::text(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw UsageError(concat(name, "= is missing."));
  return found->second;
}

std::string Arguments::text(const std::string& name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second;
}

torch::Device choose_device(const Arguments& arguments, const Communicator& comm) {
  torch::set_num_threads(static_cast<int>(arguments.number("threads")));
  const bool gpu = arguments.text("device", "cpu") == "cuda";
  return device_of_rank(gpu ? DeviceType::cuda : DeviceType::cpu, comm);
}

ClientData load_samples(const Arguments& arguments) {
  return load_client(arguments.text("shard"), torch::kCPU);
}

void write_samples(const Arguments& arguments, const ClientData& client) {
  const std::string path = arguments.text("samples", "");
  if (path.empty() || std::filesystem::exists(path)) return;
  const Samples& train = client.split(Split::train);
  write_weights(path,
                {named("images", train.images.to(torch::kFloat32) / train.intensity_scale),
                 named("targets", train.targets), named("classes", torch::tensor(client.classes))});
}

std::unique_ptr<Model> make_model(const Arguments& arguments, const ClientData& client,
                                  torch::Device device) {
  ModelOptions options;
  options.network.name = arguments.text("network");
  options.network.width = arguments.number("width");
  options.network.norm = NormKind::batch_stateless;
  options.amplitude.band = is_harmofl(arguments) ? Band::dc : Band::off;
  options.channels_last = arguments.text("format") == "channels-last";
  options.precision = precision_of(arguments.text("precision", "fp32"));
  const torch::Tensor& images = client.split(Split::train).images;
  const ProblemShape shape{client.task, client.classes, images.size(1), images.size(2),
                           images.size(3)};
  auto model = std::make_unique<Model>(options, shape, /*seed=*/0, device);
  const std::filesystem::path weights = arguments.text("weights");
  if (std::filesystem::exists(weights)) {
    model->import_weights(read_weights(weights), weights.string());
  } else {
    write_weights(weights, model->state().export_tensors());
  }
  return model;
}

LocalOptions local_options(const Arguments& arguments, const ClientData& client) {
  LocalOptions options;
  options.optimizer = {OptimizerKind::sgd, 0.1, 0.0, 0.0};
  if (is_harmofl(arguments)) {
    options.optimizer = {OptimizerKind::adam, 1e-4, 0.0, 0.0};
    options.perturbation.alpha = 0.05;
  }
  options.loss =
      client.task == Task::segmentation ? LossKind::cross_entropy_dice : LossKind::cross_entropy;
  options.batches.batch_size = arguments.number("batch");
  options.shuffle = false;
  options.graphs = arguments.text("graphs", "false") == "true";
  return options;
}

void serve(const std::function<Answer(std::int64_t count)>& work) {
  std::printf("ready\n");
  std::fflush(stdout);
  for (std::int64_t count = 0; std::cin >> count;) {
    const Answer answer = work(count);
    std::printf("%.9f %.9g\n", answer.seconds, answer.loss);
    std::fflush(stdout);
  }
}

int run_program(int argc, char** argv, const std::function<void(const Arguments&)>& program) {
  keep_freed_memory();
  try {
    program(Arguments(argc, argv));
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return static_cast<int>(error.exit_code());
  }
}

}  // namespace harmofl::bench
