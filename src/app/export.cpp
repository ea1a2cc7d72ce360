// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands.hpp"
#include "app/config/run_options.hpp"
#include "app/load_model.hpp"
#include "fl/aggregate/exchange.hpp"
#include "harmofl/model/parameter_vector.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "model/weights/weights_file.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

namespace harmofl {
namespace {

namespace po = boost::program_options;

po::options_description export_options() {
  po::options_description options(
      "usage: harmofl export --checkpoint FILE --output FILE [OPTIONS]\n"
      "Writes the model of a checkpoint for other programs: .safetensors, or .pt for "
      "torch.load.\n\n"
      "Options");
  options.add_options()("help,h", "show this text")(
      "checkpoint", po::value<std::string>()->required(), "checkpoint.h5 or best.h5 of a run")(
      "output", po::value<std::string>()->required(), "FILE.safetensors, FILE.pt or FILE.pth")(
      "site", po::value<std::string>(),
      "with the layers or the personal model of its own that this site has");
  return options;
}

void check_site(const CheckpointReader& checkpoint, const std::string& site,
                const std::string& path) {
  const std::vector<std::string> sites = checkpoint.groups(checkpoint_groups::clients);
  HARMOFL_VALIDATE(!sites.empty(), path,
                   ": holds no sites. Leave out --site, or give another checkpoint of the run.");
  HARMOFL_VALIDATE(std::ranges::count(sites, site) == 1, path, ": holds no site '", site,
                   "'. It has: ", join(sites), ".");
}

std::vector<float> values_of(const torch::Tensor& tensor) {
  const torch::Tensor row_major = tensor.contiguous();
  const auto* first = row_major.const_data_ptr<float>();
  return {first, first + row_major.numel()};
}

/// Puts the site's own layers in place of the model's; returns how many.
std::int64_t take_layers(std::vector<NamedTensor>& model, const NamedState& own,
                         const std::string& site, const std::string& path) {
  std::int64_t replaced = 0;
  for (NamedTensor& tensor : own.export_tensors()) {
    if (!tensor.name.starts_with(local_prefix)) continue;
    const std::string name = tensor.name.substr(std::string_view(local_prefix).size());
    const auto shared = std::ranges::find(model, name, &NamedTensor::name);
    HARMOFL_VALIDATE(shared != model.end() && shared->shape == tensor.shape, path, ": site '", site,
                     "' has the tensor '", tensor.name, "', but the model has no '", name,
                     "' of its shape. Give the checkpoint of another round or run.");
    shared->values = std::move(tensor.values);
    ++replaced;
  }
  return replaced;
}

/// Puts the site's personal model, a vector over the network's tensors in the model's order, in
/// place of these; returns how many.
std::int64_t take_personal_model(std::vector<NamedTensor>& model, const torch::Tensor& personal,
                                 bool channels_last, const std::string& whose) {
  std::int64_t offset = 0, replaced = 0;
  for (NamedTensor& tensor : model) {
    if (offset == personal.numel()) break;  // what follows is the amplitude's
    const auto count = static_cast<std::int64_t>(tensor.values.size());
    HARMOFL_VALIDATE(offset + count <= personal.numel(), whose, " has ", personal.numel(),
                     " values, which end within the model's tensor '", tensor.name,
                     "'. Give the checkpoint of another round or run.");
    const bool permuted = channels_last && tensor.shape.size() == 4;
    const Slot slot{tensor.name, Role::parameter, tensor.shape, offset, count, false, permuted};
    tensor.values = values_of(ParameterVector::view(personal, slot));
    offset += count;
    ++replaced;
  }
  HARMOFL_VALIDATE(offset == personal.numel(), whose, " has ", personal.numel(),
                   " values, but the model only ", offset,
                   ". Give the checkpoint of another round or run.");
  return replaced;
}

/// Makes `model` the one that the site is evaluated with; returns how many tensors are its own.
std::int64_t personalize(std::vector<NamedTensor>& model, const CheckpointReader& checkpoint,
                         const std::string& site, const std::string& path) {
  check_site(checkpoint, site, path);
  const SimulationOptions options =
      resolved_options(stored_config(checkpoint.info().config, path)).simulation;
  const auto algorithm = make_algorithm(checkpoint.info().algorithm, options.algorithm_values);
  const NamedState own = load_personal(checkpoint, path, site, *algorithm);
  std::int64_t replaced = 0;
  if (const std::string name = algorithm->personal_state(); own.has(name)) {
    replaced = take_personal_model(model, own.get(name), options.model.channels_last,
                                   concat(path, ": '", name, "' of site '", site, "'"));
  }
  return replaced + take_layers(model, own, site, path);
}

std::string export_model(const po::variables_map& given) {
  const std::string path = given["checkpoint"].as<std::string>();
  const std::string output = given["output"].as<std::string>();
  check_weights_extension(output);
  const CheckpointReader checkpoint(path);
  std::vector<NamedTensor> model = checkpoint.read(checkpoint_groups::model);
  HARMOFL_VALIDATE(!model.empty(), path,
                   ": has no tensors under /model. Give a checkpoint.h5 or best.h5 of a run.");
  std::string whose = concat("of ", checkpoint.info().algorithm, " after ",
                             checkpoint.info().rounds_done, " rounds");
  if (given.contains("site")) {
    const std::string site = given["site"].as<std::string>();
    const std::int64_t replaced = personalize(model, checkpoint, site, path);
    whose += concat(", ", replaced, " tensors of site ", site);
  }
  write_weights(output, model);
  std::size_t parameters = 0, others = 0;
  for (const NamedTensor& tensor : model) {
    (tensor.role == "parameter" ? parameters : others) += tensor.values.size();
  }
  return concat(output, ": model ", whose, "\n  ", model.size(), " tensors, ", parameters,
                " parameters and ", others, " values of buffers, ",
                std::filesystem::file_size(output), " bytes\n");
}

}  // namespace

ExitCode export_weights(const Arguments& arguments, const Communicator& comm) {
  std::optional<po::variables_map> given;
  comm.agree([&] { given = parse_command("export", arguments, export_options()); });
  if (given->contains("help")) {
    print(concat(export_options()), comm);
    return ExitCode::done;
  }
  std::string text;
  comm.agree([&] {
    if (comm.is_root()) text = export_model(*given);
  });
  print(text, comm);
  return ExitCode::done;
}

}  // namespace harmofl
