// SPDX-License-Identifier: Apache-2.0
#include "harmofl/model/network.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"
#include "model/networks/cnn.hpp"
#include "model/networks/densenet.hpp"
#include "model/networks/linear.hpp"
#include "model/networks/mlp.hpp"
#include "model/networks/resnet.hpp"
#include "model/networks/script.hpp"
#include "model/networks/unet.hpp"

#include <torch/utils.h>

namespace harmofl {
namespace {

template <class Kind>
std::shared_ptr<Network> make(const NetworkOptions& options, const ProblemShape& shape) {
  return std::make_shared<Kind>(options, shape);
}

struct Entry {
  NetworkDefaults defaults;
  std::shared_ptr<Network> (*make)(const NetworkOptions&, const ProblemShape&);
};

const std::vector<Entry>& networks() {
  static const std::vector<Entry> table{
      {{"cnn", 16, "batch-stateless"}, make<Cnn>},
      {{"densenet121", 32, "batch-stateless"}, make_densenet121},
      {{"densenet121-plain", 32, "batch"}, make_densenet121_plain},
      {{"linear", 1, "batch-stateless"}, make<Linear>},
      {{"mlp", 200, "batch-stateless"}, make<Mlp>},
      {{"resnet18", 64, "group"}, make<ResNet18>},
      {{"unet", 32, "batch-stateless"}, make<UNet>},
  };
  return table;
}

const Entry& find(const std::string& name) {
  std::vector<std::string> names;
  for (const Entry& entry : networks()) {
    if (entry.defaults.name == name) return entry;
    names.push_back(entry.defaults.name);
  }
  throw UsageError(unknown("model.name = " + name, name, names));
}

}  // namespace

std::shared_ptr<Network> make_network(const NetworkOptions& options, const ProblemShape& shape,
                                      std::uint64_t seed) {
  HARMOFL_VALIDATE(options.width > 0, "model.width = ", options.width,
                   " is not a number of channels. Give 1 or more.");
  // A script has weights of its own; what is put behind it (a projection head) is drawn.
  torch::manual_seed(mix64(seed ^ static_cast<std::uint64_t>(RngPurpose::initial_model)));
  ProblemShape outputs = shape;
  if (has_one_output(options, shape)) outputs.classes = 1;
  if (options.script) return std::make_shared<ScriptNetwork>(*options.script, outputs);
  return find(options.name).make(options, outputs);
}

bool has_one_output(const NetworkOptions& options, const ProblemShape& shape) {
  return options.one_output && shape.classes == 2;
}

void require_labels(const std::string& name, const ProblemShape& shape, std::int64_t min_side) {
  HARMOFL_VALIDATE(shape.task == Task::classification, "model.name = ", name,
                   " classifies images, but the shards' task is segmentation. ",
                   "Use model.name = unet.");
  HARMOFL_VALIDATE(shape.height >= min_side && shape.width >= min_side, "model.name = ", name,
                   " needs images of ", min_side, "x", min_side,
                   " pixels at least, but the shards hold ", shape.height, "x", shape.width,
                   ". Prepare them with another --size, or use a network that halves them less ",
                   "often.");
}

std::vector<NetworkDefaults> network_defaults() {
  std::vector<NetworkDefaults> all;
  for (const Entry& entry : networks()) all.push_back(entry.defaults);
  return all;
}

NetworkDefaults find_network_defaults(const std::string& name) { return find(name).defaults; }

}  // namespace harmofl
