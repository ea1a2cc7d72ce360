// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands.hpp"
#include "fl/aggregate/exchange.hpp"
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
      "site", po::value<std::string>(), "with the layers of its own that this site has");
  return options;
}

/// Puts the site's own tensors in place of the model's; returns how many.
std::int64_t personalize(std::vector<NamedTensor>& model, const CheckpointReader& checkpoint,
                         const std::string& site, const std::string& path) {
  const std::vector<std::string> sites = checkpoint.groups("clients");
  HARMOFL_VALIDATE(!sites.empty(), path,
                   ": holds no sites. Leave out --site, or give another checkpoint of the run.");
  HARMOFL_VALIDATE(std::ranges::count(sites, site) == 1, path, ": holds no site '", site,
                   "'. It has: ", join(sites), ".");
  std::int64_t replaced = 0;
  for (NamedTensor& own : checkpoint.read("clients/" + site)) {
    if (!own.name.starts_with(local_prefix)) continue;
    const std::string name = own.name.substr(std::string_view(local_prefix).size());
    const auto shared = std::ranges::find(model, name, &NamedTensor::name);
    HARMOFL_VALIDATE(shared != model.end() && shared->shape == own.shape, path, ": site '", site,
                     "' has the tensor '", own.name, "', but the model has no '", name,
                     "' of its shape. Give the checkpoint of another round or run.");
    shared->values = std::move(own.values);
    ++replaced;
  }
  return replaced;
}

std::string export_model(const po::variables_map& given) {
  const std::string path = given["checkpoint"].as<std::string>();
  const std::string output = given["output"].as<std::string>();
  check_weights_extension(output);
  const CheckpointReader checkpoint(path);
  std::vector<NamedTensor> model = checkpoint.read("model");
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
