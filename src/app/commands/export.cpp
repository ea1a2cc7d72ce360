// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/config/run_options.hpp"
#include "app/load_model.hpp"
#include "app/model_description.hpp"
#include "fl/aggregate/exchange.hpp"
#include "harmofl/model/parameter_vector.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "model/weights/weights_file.hpp"

#include <nlohmann/json.hpp>

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
      "torch.load. tools/pytorch/harmofl_model.py builds it from the file.\n\n"
      "Options");
  options.add_options()("help,h", "show this text")(
      "checkpoint", po::value<std::string>()->required(), "checkpoint.h5 or best.h5 of a run")(
      "output", po::value<std::string>()->required(), "FILE.safetensors, FILE.pt or FILE.pth")(
      "site", po::value<std::string>(),
      "with the layers or the personal model of its own that this site has");
  return options;
}

/// The tensor of `own` called `name`; null where there is none.
const NamedTensor* find(const std::vector<NamedTensor>& own, const std::string& name) {
  const auto found = std::ranges::find(own, name, &NamedTensor::name);
  return found == own.end() ? nullptr : &*found;
}

std::vector<float> values_of(const torch::Tensor& tensor) {
  const torch::Tensor row_major = tensor.contiguous();
  const auto* first = row_major.const_data_ptr<float>();
  return {first, first + row_major.numel()};
}

/// Puts the site's own layers in place of the model's; returns how many.
std::int64_t take_layers(std::vector<NamedTensor>& model, const std::vector<NamedTensor>& own,
                         const std::string& site, const std::string& path) {
  std::int64_t replaced = 0;
  for (const NamedTensor& tensor : own) {
    if (!tensor.name.starts_with(local_prefix)) continue;
    const std::string name = tensor.name.substr(std::string_view(local_prefix).size());
    const auto shared = std::ranges::find(model, name, &NamedTensor::name);
    HARMOFL_VALIDATE(shared != model.end() && shared->shape == tensor.shape, path, ": site '", site,
                     "' has the tensor '", tensor.name, "', but the model has no '", name,
                     "' of its shape. Give the checkpoint of another round or run.");
    shared->values = tensor.values;
    ++replaced;
  }
  return replaced;
}

/// Puts the site's personal model, a vector over the network's tensors in the model's order, in
/// place of these; returns how many.
std::int64_t take_personal_model(std::vector<NamedTensor>& model, const NamedTensor& kept,
                                 bool channels_last, const std::string& whose) {
  HARMOFL_VALIDATE(kept.shape.size() == 1, whose, " has ", kept.shape.size(),
                   " axes, but a model's state has one. Give the checkpoint of another run.");
  const torch::Tensor personal =
      torch::from_blob(const_cast<float*>(kept.values.data()), kept.shape);
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
                         const Config& config, const std::string& site) {
  const std::string path = checkpoint.path().string();
  check_site(checkpoint, site, path);
  const SimulationOptions options = resolved_options(config).simulation;
  const auto algorithm = make_algorithm(checkpoint.info().algorithm, options.algorithm_values);
  const std::vector<NamedTensor> own = load_personal(checkpoint, site, *algorithm);
  std::int64_t replaced = 0;
  if (const NamedTensor* state = find(own, algorithm->personal_state())) {
    replaced = take_personal_model(model, *state, options.model.channels_last,
                                   concat(path, ": '", state->name, "' of site '", site, "'"));
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
  const CheckpointInfo& info = checkpoint.info();
  const Config config = stored_config(info.config, path);
  const RunFacts facts = parse_facts(info, path);
  std::string whose = concat("of ", info.algorithm, " after ", info.rounds_done, " rounds");
  const std::string site = given.contains("site") ? given["site"].as<std::string>() : "";
  if (given.contains("site")) {
    const std::int64_t replaced = personalize(model, checkpoint, config, site);
    whose += concat(", ", replaced, " tensors of site ", site);
  }
  const std::optional<StoredScript> script = checkpoint.script();
  write_weights(output, model,
                {describe_model(info, config, facts, site).dump(), script ? script->code : ""});
  std::size_t parameters = 0, others = 0;
  for (const NamedTensor& tensor : model) {
    (tensor.role == "parameter" ? parameters : others) += tensor.values.size();
  }
  return concat(output, ": model ", whose, "\n  ", model.size(), " tensors, ", parameters,
                " parameters and ", others, " values of buffers, ",
                std::filesystem::file_size(output), " bytes\n", needs_of_model(config, facts));
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
