// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/sheet/sheet.hpp"
#include "base/read_file.hpp"
#include "harmofl/data/client_data.hpp"
#include "io/atomic_file.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/formats/png_writer.hpp"
#include "io/hdf5/hdf5.hpp"
#include "model/networks/script.hpp"

#include <cmath>
#include <filesystem>
#include <iomanip>
#include <limits>
#include <optional>
#include <sstream>

namespace harmofl {
namespace {

namespace po = boost::program_options;

/// "mean [0.5, 0.4, 0.3] std [..] min 0 max 1" of images as the network sees them.
std::string image_statistics(const Samples& samples) {
  const torch::Tensor x = samples.images.to(torch::kFloat32) / samples.intensity_scale;
  const torch::Tensor by_channel = x.transpose(0, 1).flatten(1);
  const auto list = [](const torch::Tensor& values) {
    std::vector<std::string> items;
    for (std::int64_t i = 0; i < values.numel(); ++i) {
      items.push_back(fixed(values[i].item<double>(), 4));
    }
    return concat("[", join(items), "]");
  };
  return concat("mean ", list(by_channel.mean(1)), "  std ", list(by_channel.std(1)), "  min ",
                fixed(x.min().item<double>(), 4), "  max ", fixed(x.max().item<double>(), 4));
}

std::string class_shares(const ClientData& data, const Samples& samples,
                         const std::vector<std::string>& names) {
  const torch::Tensor counts =
      at::bincount(samples.targets.flatten().to(torch::kInt64), {}, data.classes);
  std::vector<std::string> shares;
  for (std::int64_t c = 0; c < data.classes; ++c) {
    const double share = counts[c].item<double>() / static_cast<double>(samples.targets.numel());
    shares.push_back(
        concat(names[static_cast<std::size_t>(c)], " ", fixed(100.0 * share, 1), " %"));
  }
  return join(shares);
}

std::string describe_shard(const std::string& path) {
  const ShardReader reader(path);
  const ShardInfo& info = reader.info();
  const ClientData data = load_client(path, torch::kCPU);  // verifies every checksum
  std::string text = concat(
      printable(path), ": shard of site '", info.site, "'\n  task             ",
      to_string(info.task), "\n  classes          ", join(info.class_names),
      "\n  images           ", to_string(info.pixel_type), " ", info.channels, "x", info.height,
      "x", info.width, " (channels x height x width)\n  intensity scale  ", info.intensity_scale,
      "\n  preprocessing    ", printable(info.preprocessing), "\n  source checksum  ",
      info.source_checksum.empty() ? "none" : printable(info.source_checksum), "\n");
  for (const Split split : all_splits) {
    const Samples& samples = data.split(split);
    text += concat("  ", to_string(split), ": ", samples.count(), " samples, xxh3 ",
                   printable(reader.stored_checksum(split)), "\n");
    if (samples.count() == 0) continue;
    text += concat("    ", image_statistics(samples), "\n    ",
                   class_shares(data, samples, info.class_names), "\n");
  }
  return text + "  every checksum verified\n";
}

std::string describe_tensors(const CheckpointReader& reader, const std::string& group) {
  std::ostringstream out;
  out << "  /" << printable(group) << "\n";
  for (const NamedTensor& tensor : reader.read(group)) {
    double squares = 0.0;
    for (const float value : tensor.values) squares += double{value} * value;
    out << "    " << std::left << std::setw(44) << printable(tensor.name) << " ["
        << c10::Join(", ", tensor.shape) << "]  norm " << std::sqrt(squares) << "  "
        << printable(tensor.role) << "\n";
  }
  return out.str();
}

/// A line on the network, where it is one of the user's own.
std::string script_text(const CheckpointReader& reader) {
  const std::optional<StoredScript> script = reader.script();
  if (!script) return "";
  return concat("  /script  TorchScript without weights, ", script->code.size(),
                " bytes; xxh3 of its file ", printable(script->source_checksum), "\n");
}

std::string describe_checkpoint(const std::string& path) {
  const CheckpointReader reader(path);
  const CheckpointInfo& info = reader.info();
  std::string text = concat(printable(path), ": checkpoint of ", printable(info.algorithm),
                            " after ", info.rounds_done, " rounds\n", script_text(reader),
                            describe_tensors(reader, checkpoint_groups::model));
  for (const std::string& site : reader.groups(checkpoint_groups::clients)) {
    text += describe_tensors(reader, checkpoint_groups::of_client(site));
  }
  return text + "  every checksum verified\n\n" + info.config;
}

/// A file that is one of these by its extension: HDF5 would only say that it is not its own.
bool is_script(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  return extension == ".pt" || extension == ".pth";
}

bool is_checkpoint(const std::string& path) {
  return CheckpointReader::has_seal(path) ||
         hdf5::File::open(path).exists(concat("/", checkpoint_groups::model));
}

/// Writes the sheet of a shard, or of all in a folder; returns its legend.
std::string make_sheet(const std::string& path, const std::string& picture) {
  if (!picture.ends_with(".png")) {
    throw UsageError(
        concat("--sheet ", picture, " is not the name of a .png file. Give another one."));
  }
  check_replaceable(picture);
  const bool folder = std::filesystem::is_directory(path);
  std::vector<SiteLook> sites;
  for (const auto& shard : folder ? list_shards(path) : std::vector<std::filesystem::path>{path}) {
    HARMOFL_VALIDATE(shard != std::filesystem::path(picture), picture, ": is the shard that is ",
                     "read. Give --sheet another name.");
    sites.push_back(look_at(shard));
  }
  const Canvas canvas = draw_sheet(sites);
  write_text_file(picture, colour_png(canvas.pixels(), canvas.height(), canvas.width()));
  return concat(sheet_legend(sites), "sheet: ", printable(picture), "\n");
}

}  // namespace

ExitCode inspect(const Arguments& arguments, const Communicator& comm) {
  po::options_description options(
      "usage: harmofl inspect FILE\n"
      "       harmofl inspect FILE|DIR --sheet PICTURE\n"
      "Describes a shard or a checkpoint and verifies its checksums, or a network of your own, for "
      "model.script; or shows what the images of a shard, or of each shard of a folder, look "
      "like.\n\nOptions");
  options.add_options()("help,h", "show this text")(
      "file", po::value<std::string>()->required(),
      "shard, checkpoint or TorchScript (.pt); folder of shards")(
      "sheet", po::value<std::string>(),
      "write a picture, .png: images with masks, mean colour, histogram and spectrum of each site");
  std::optional<po::variables_map> given;
  comm.agree([&] { given = parse_command("inspect", arguments, options, "file"); });
  if (given->contains("help")) {
    print(concat(options), comm);
    return ExitCode::done;
  }
  std::string text;
  comm.agree([&] {
    if (!comm.is_root()) return;
    const std::string path = (*given)["file"].as<std::string>();
    if (given->contains("sheet")) {
      text = make_sheet(path, (*given)["sheet"].as<std::string>());
    } else if (is_script(path)) {
      text = describe_script({path, read_bytes(path)});
    } else {
      text = is_checkpoint(path) ? describe_checkpoint(path) : describe_shard(path);
    }
  });
  print(text, comm);
  return ExitCode::done;
}

}  // namespace harmofl
