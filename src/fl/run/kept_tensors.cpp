// SPDX-License-Identifier: Apache-2.0
#include "fl/run/kept_tensors.hpp"

#include "fl/aggregate/exchange.hpp"
#include "fl/local/local_trainer.hpp"
#include "fl/local/optimizer.hpp"
#include "harmofl/base/error.hpp"

#include <set>

namespace harmofl {
namespace {

KeptShapes shapes_of(const std::vector<KeptTensor>& tensors, const Model& model) {
  KeptShapes shapes;
  for (const KeptTensor& tensor : tensors) {
    const bool of_state = tensor.shape == KeptTensor::Shape::state;
    shapes[tensor.name] = {of_state ? model.network_count() : model.parameter_count()};
  }
  return shapes;
}

}  // namespace

std::vector<KeptShapes> client_families(const Model& model, const Algorithm& algorithm,
                                        BufferPolicy buffers, const OptimizerOptions& optimizer) {
  std::vector<KeptShapes> families;
  std::vector<std::string> prefixes = algorithm.moment_prefixes();
  prefixes.emplace_back(moments_prefix);
  for (const std::string& prefix : prefixes) {
    families.push_back(moment_shapes(optimizer, prefix, model.parameter_count()));
  }
  families.push_back({{steps_taken_name, {2}}});
  KeptShapes& local = families.emplace_back();
  for (const Slot& slot : local_slots(model, algorithm, buffers)) {
    local[local_prefix + slot.name] = slot.shape;
  }
  return families;
}

KeptShapes client_shapes(const Model& model, const Algorithm& algorithm, BufferPolicy buffers,
                         const OptimizerOptions& optimizer) {
  KeptShapes shapes = shapes_of(algorithm.client_tensors(), model);
  for (KeptShapes& family : client_families(model, algorithm, buffers, optimizer)) {
    shapes.merge(family);
  }
  return shapes;
}

KeptShapes server_shapes(const Model& model, const Algorithm& algorithm) {
  return shapes_of(algorithm.server_tensors(), model);
}

void check_whole(const std::vector<NamedTensor>& tensors, const KeptShapes& family,
                 const std::string& source) {
  std::set<std::string> present;
  for (const NamedTensor& tensor : tensors) {
    if (family.contains(tensor.name)) present.insert(tensor.name);
  }
  if (present.empty()) return;
  for (const auto& [name, shape] : family) {
    HARMOFL_VALIDATE(present.contains(name), source, ": the tensor '", name,
                     "' is missing beside '", *present.begin(),
                     "'. Use another checkpoint of the run.");
  }
}

void check_kept(const std::vector<NamedTensor>& tensors, const KeptShapes& known,
                const std::string& source) {
  for (const NamedTensor& tensor : tensors) {
    const auto expected = known.find(tensor.name);
    if (expected == known.end()) {
      std::vector<std::string> names;
      for (const auto& item : known) names.push_back(item.first);
      throw UserError(concat(source, ": the tensor '", tensor.name,
                             "' is nothing that this method keeps there. It keeps: ",
                             names.empty() ? "nothing" : join(names),
                             ". Use the configuration that the file was made with."));
    }
    HARMOFL_VALIDATE(tensor.shape == expected->second, source, ": tensor '", tensor.name,
                     "' has shape [", c10::Join(", ", tensor.shape), "], but this model needs [",
                     c10::Join(", ", expected->second), "]. Use the configuration of that file.");
  }
}

}  // namespace harmofl
