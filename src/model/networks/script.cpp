// SPDX-License-Identifier: Apache-2.0
#include "model/networks/script.hpp"

#include "harmofl/base/error.hpp"
#include "io/tensor_elements.hpp"
#include "model/networks/norm.hpp"

#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/profiling_graph_executor_impl.h>
#include <torch/script.h>

#include <functional>
#include <map>
#include <sstream>
#include <vector>

namespace harmofl {
namespace {

constexpr const char* features_method = "forward_features";
constexpr std::int64_t probed_images = 2;  ///< More than one: batch norms in training want that.

/// The last line of what a library says, which with TorchScript is the error itself.
std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  text = text.substr(text.rfind('\n') + 1);
  return printable(text.empty() ? "it gives no reason" : text);
}

/// Runs `work`; what a script or its reader throws becomes a UserError "file: problem: reason".
template <class Work>
auto run(const std::string& file, const std::string& problem, const Work& work) {
  std::string reason;
  try {
    return work();
  } catch (const UserError&) {
    throw;
  } catch (const c10::Error& error) {
    reason = error.what_without_backtrace();
  } catch (const std::exception& error) {
    reason = error.what();
  }
  throw UserError(concat(file, ": ", problem, ": ", last_line(reason)));
}

/// Every run of a graph is to compute the same: no rewriting after the first ones.
void run_scripts_as_written() {
  torch::jit::setGraphExecutorOptimize(false);
  torch::jit::getProfilingMode() = false;
  torch::jit::getExecutorMode() = false;
}

/// The module of an archive on the CPU. Tensors of an archive without weights get memory.
torch::jit::Module load_script(const ScriptFile& file) {
  run_scripts_as_written();
  const torch::NoGradGuard no_grad;
  return run(file.name, "this is not a TorchScript archive of torch.jit.save", [&] {
    std::istringstream stream(file.bytes);
    torch::jit::Module module = torch::jit::load(stream, torch::kCPU);
    const auto own = [](const torch::Tensor& tensor) {
      torch::Tensor shared = tensor;
      if (!tensor.is_non_overlapping_and_dense())
        shared.set_data(torch::zeros_like(tensor).contiguous());
    };
    for (const auto& tensor : module.parameters()) own(tensor);
    for (const auto& tensor : module.buffers()) own(tensor);
    return module;
  });
}

std::string class_of(const torch::jit::Module& module) {
  const auto name = module.type()->name();
  return name ? name->name() : "";
}

bool normalizes(const torch::jit::Module& module) {
  return class_of(module).find("Norm") != std::string::npos;
}

std::string shape_text(c10::IntArrayRef sizes) { return concat("[", c10::Join(", ", sizes), "]"); }

/// Images that are the same on every machine, with values in [0, 1).
torch::Tensor probe_images(std::int64_t channels, std::int64_t height, std::int64_t width) {
  const std::int64_t count = probed_images * channels * height * width;
  constexpr std::int64_t period = 251;
  return (torch::arange(count).remainder(period).to(torch::kFloat32) / period)
      .view({probed_images, channels, height, width});
}

/// Restores libtorch's random numbers, which layers such as dropout draw.
class KeptRandomNumbers {
 public:
  KeptRandomNumbers()
      : generator_(at::globalContext().defaultGenerator(torch::kCPU)),
        state_(generator_.get_state()) {}
  ~KeptRandomNumbers() { generator_.set_state(state_); }
  KeptRandomNumbers(const KeptRandomNumbers&) = delete;
  KeptRandomNumbers& operator=(const KeptRandomNumbers&) = delete;

 private:
  at::Generator generator_;
  torch::Tensor state_;
};

/// Throws UserError unless `value` is a float32 tensor of `shape`.
const torch::Tensor& checked(const c10::IValue& value, const std::vector<std::int64_t>& shape,
                             const std::string& file, const std::string& when) {
  HARMOFL_VALIDATE(value.isTensor(), file, ": gives ", value.tagKind(),
                   " instead of a tensor of logits ", when,
                   ". Let `forward` return the logits alone.");
  const torch::Tensor& found = value.toTensor();
  HARMOFL_VALIDATE(
      found.sizes() == c10::IntArrayRef(shape) && found.scalar_type() == torch::kFloat32, file,
      ": gives ", c10::toString(found.scalar_type()), " ", shape_text(found.sizes()), " ", when,
      ", but the shards need logits, Float ", shape_text(shape), ".");
  return found;
}

/// The tensors of a script by name. What holds them sees what is written into them, and nothing of
/// others that take their names.
std::map<std::string, const void*> places_of(const torch::jit::Module& module) {
  std::map<std::string, const void*> places;
  for (const auto& item : module.named_parameters())
    places[item.name] = item.value.unsafeGetTensorImpl();
  for (const auto& item : module.named_buffers())
    places[item.name] = item.value.unsafeGetTensorImpl();
  return places;
}

/// Runs the script on a few images, in training or evaluation.
void probe(const ScriptFile& file, const ProblemShape& shape, bool training) {
  const KeptRandomNumbers kept;
  const torch::NoGradGuard no_grad;
  torch::jit::Module module = load_script(file);
  module.train(training);
  const torch::Tensor images = probe_images(shape.channels, shape.height, shape.width);
  const std::string when =
      concat("for images ", shape_text(images.sizes()), training ? " in training" : "");
  std::vector<std::int64_t> wanted{probed_images, shape.classes};
  if (shape.task == Task::segmentation) wanted.insert(wanted.end(), {shape.height, shape.width});
  const std::map<std::string, const void*> before = places_of(module);
  checked(run(file.name, concat("fails ", when), [&] { return module.forward({images}); }), wanted,
          file.name, when);
  for (const auto& [name, place] : places_of(module)) {
    HARMOFL_VALIDATE(before.at(name) == place, file.name, ": 'self.", name,
                     "' becomes another tensor ", when, ". Change it in place, with self.", name,
                     ".copy_(...).");
  }
}

/// F of the features that the script makes; 0 where it has no method for them.
std::int64_t probe_features(const ScriptFile& file, const ProblemShape& shape) {
  const KeptRandomNumbers kept;
  const torch::NoGradGuard no_grad;
  torch::jit::Module module = load_script(file);
  if (!module.find_method(features_method)) return 0;
  module.eval();
  const torch::Tensor images = probe_images(shape.channels, shape.height, shape.width);
  const c10::IValue value = run(file.name, concat(features_method, " fails"),
                                [&] { return module.get_method(features_method)({images}); });
  const bool pair = value.isTuple() && value.toTupleRef().elements().size() == 2 &&
                    value.toTupleRef().elements()[1].isTensor();
  HARMOFL_VALIDATE(pair, file.name, ": ", features_method,
                   " must give the logits and the features, two tensors.");
  const torch::Tensor features = value.toTupleRef().elements()[1].toTensor();
  HARMOFL_VALIDATE(features.dim() == 2 && features.size(0) == probed_images && features.size(1) > 0,
                   file.name, ": ", features_method, " gives features ",
                   shape_text(features.sizes()), ", but they must be [images, F].");
  return features.size(1);
}

/// Makes modules of libtorch's C++ API that hold the script's tensors, so that parameter vectors
/// find them.
class Mirror {
 public:
  explicit Mirror(std::string file) : file_(std::move(file)) {}

  void fill(torch::nn::Module& node, torch::jit::Module module, const std::string& prefix) {
    for (const auto& item : module.named_parameters(/*recurse=*/false)) {
      check_tensor(item.value, prefix + item.name);
      if (item.value.requires_grad()) {
        node.register_parameter(item.name, item.value);
      } else {
        node.register_buffer(item.name, item.value);  // kept as it is, and not trained
      }
    }
    for (const auto& item : module.named_buffers(/*recurse=*/false)) {
      torch::Tensor tensor = item.value;
      if (is_counter(item.name) && tensor.dim() == 0) {
        tensor = tensor.to(torch::kFloat32);
        module.setattr(item.name, tensor);
      }
      check_tensor(tensor, prefix + item.name);
      node.register_buffer(item.name, tensor);
    }
    for (const auto& child : module.named_children()) {
      const auto below = normalizes(child.value) ? std::make_shared<NormalizationLayer>()
                                                 : std::make_shared<torch::nn::Module>();
      node.register_module(child.name, below);
      fill(*below, child.value, prefix + child.name + ".");
    }
  }

 private:
  void check_tensor(const torch::Tensor& tensor, const std::string& name) {
    HARMOFL_VALIDATE(tensor.scalar_type() == torch::kFloat32, file_, ": '", name, "' is ",
                     c10::toString(tensor.scalar_type()),
                     ", but parameters and buffers must be Float (only ",
                     "num_batches_tracked may be Long), as they are averaged. Make it a constant "
                     "of the code, or ",
                     "call .float().");
    const auto [known, is_new] = names_.emplace(tensor.unsafeGetTensorImpl(), name);
    HARMOFL_VALIDATE(is_new, file_, ": '", known->second, "' and '", name,
                     "' are one tensor. Give each layer ", "weights of its own.");
  }

  std::string file_;
  std::map<const void*, std::string> names_;
};

}  // namespace

struct ScriptNetwork::Impl {
  torch::jit::Module module;
};

ScriptNetwork::ScriptNetwork(const ScriptFile& file, const ProblemShape& shape) : name_(file.name) {
  probe(file, shape, /*training=*/false);
  probe(file, shape, /*training=*/true);
  feature_count_ = probe_features(file, shape);
  impl_ = std::make_unique<Impl>(Impl{load_script(file)});
  Mirror(name_).fill(*this, impl_->module, "");
  HARMOFL_VALIDATE(
      !parameters().empty(), name_, ": has no parameters that take gradients. Save it with ",
      "torch.jit.script and not frozen, with requires_grad where it is to be trained.");
}

ScriptNetwork::~ScriptNetwork() = default;

torch::Tensor ScriptNetwork::forward(const torch::Tensor& images, torch::Tensor* features) {
  if (features == nullptr) return impl_->module.forward({images}).toTensor();
  const c10::IValue both = impl_->module.get_method(features_method)({images});
  *features = both.toTupleRef().elements()[1].toTensor();
  return both.toTupleRef().elements()[0].toTensor();
}

std::int64_t ScriptNetwork::feature_count() const {
  HARMOFL_VALIDATE(has_features(), name_, ": exports no method ", features_method,
                   ", of which a projection head ",
                   "or this method takes the features of images. Add it "
                   "(docs/guides/your-own-network.md), or take ",
                   "a method that needs none.");
  return feature_count_;
}

void ScriptNetwork::train(bool on) {
  Network::train(on);
  impl_->module.train(on);
}

std::string without_weights(const ScriptFile& file) {
  const torch::NoGradGuard no_grad;
  torch::jit::Module module = load_script(file);
  const auto forget = [](torch::Tensor tensor) {
    tensor.set_data(torch::zeros({}, tensor.options()).expand(tensor.sizes()));
  };
  for (const auto& tensor : module.parameters()) forget(tensor);
  for (const auto& tensor : module.buffers()) forget(tensor);
  return run(file.name, "cannot be saved without its weights", [&] {
    std::ostringstream stream;
    module.save(stream);
    return stream.str();
  });
}

namespace {

/// "2 images [2, 3, 64, 64] -> Tensor [2, 5]", or why not.
std::string trial_text(const ScriptFile& file, std::int64_t channels) {
  constexpr std::int64_t side = 64;
  const KeptRandomNumbers kept;
  const torch::NoGradGuard no_grad;
  torch::jit::Module module = load_script(file);
  module.eval();
  const torch::Tensor images = probe_images(channels, side, side);
  std::string text = concat(shape_text(images.sizes()), " -> ");
  try {
    const c10::IValue value = run(file.name, "fails", [&] { return module.forward({images}); });
    return text + (value.isTensor() ? shape_text(value.toTensor().sizes()) : value.tagKind());
  } catch (const UserError& error) {
    return text + error.what();
  }
}

}  // namespace

std::string describe_script(const ScriptFile& file) {
  const torch::jit::Module module = load_script(file);
  std::int64_t values = 0, trained = 0, channels = 3;
  std::string tensors;
  bool first_kernel = true;
  const auto add = [&](const std::string& name, const torch::Tensor& tensor, const char* role) {
    tensors += concat("    ", printable(name), " ", c10::toString(tensor.scalar_type()), " ",
                      shape_text(tensor.sizes()), "  ", role, "\n");
    values += tensor.numel();
  };
  for (const auto& item : module.named_parameters()) {
    add(item.name, item.value,
        item.value.requires_grad() ? "parameter" : "parameter without gradient");
    if (item.value.requires_grad()) trained += item.value.numel();
    if (std::exchange(first_kernel, first_kernel && item.value.dim() != 4) &&
        item.value.dim() == 4) {
      channels = item.value.size(1);
    }
  }
  for (const auto& item : module.named_buffers()) add(item.name, item.value, "buffer");
  std::map<std::string, int> classes;
  for (const auto& item : module.named_modules()) ++classes[class_of(item.value)];
  std::vector<std::string> counts;
  for (const auto& [name, count] : classes) counts.push_back(concat(count, " ", printable(name)));
  return concat(printable(file.name), ": TorchScript, class ", printable(class_of(module)), "\n  ",
                trained, " parameters that are trained, ", values - trained,
                " other values\n  modules          ", join(counts), "\n  features         ",
                module.find_method(features_method) ? "by forward_features"
                                                    : "none: it exports no forward_features",
                "\n  images           ", trial_text(file, channels), "\n", tensors);
}

}  // namespace harmofl
