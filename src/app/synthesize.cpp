#include "app/command_line.hpp"
#include "app/commands.hpp"
#include "data/synthetic/synthetic.hpp"

#include <cstdio>
#include <optional>

namespace harmofl {
namespace {

namespace po = boost::program_options;

po::options_description synthesize_options() {
  po::options_description options(
      "usage: harmofl synthesize --output DIR [OPTIONS]\n"
      "Makes sites that differ by gain, contrast, colour cast, blur and frequency transfer.\n"
      "The same options and seed make the same bytes.\n\nOptions");
  const auto whole = [](std::int64_t value) {
    return po::value<std::int64_t>()->default_value(value);
  };
  options.add_options()("help", "show this text")("output", po::value<std::string>()->required(),
                                                  "folder for the shards")(
      "task", po::value<std::string>()->default_value("segmentation"),
      "segmentation | classification")("sites", whole(4), "number of sites")(
      "train", whole(48), "training images a site")("val", whole(12), "validation images a site")(
      "test", whole(12), "test images a site")(
      "size", po::value<std::string>()->default_value("64x64"), "height x width, pixels")(
      "shift", po::value<double>()->default_value(1.0), "strength of the sites' differences")(
      "unequal", po::bool_switch(), "site k holds 1/(k+1) of the training images, of at least 4")(
      "seed", whole(0), "seed");
  return options;
}

SyntheticOptions read_options(const po::variables_map& given) {
  SyntheticOptions options;
  const std::string task = given["task"].as<std::string>();
  if (task != "segmentation" && task != "classification") {
    throw UsageError(concat("--task ", task, " is unknown. Known: segmentation, classification."));
  }
  options.task = task == "segmentation" ? Task::segmentation : Task::classification;
  const auto count = [&](const char* name, std::int64_t least) {
    const auto value = given[name].as<std::int64_t>();
    if (value < least)
      throw UsageError(concat("--", name, " ", value, " must be ", least, " or more."));
    return value;
  };
  options.sites = count("sites", 1);
  options.train = count("train", 1);
  options.val = count("val", 0);
  options.test = count("test", 0);
  options.seed = static_cast<std::uint64_t>(count("seed", 0));
  options.shift = given["shift"].as<double>();
  options.unequal = given["unequal"].as<bool>();
  const std::string size = given["size"].as<std::string>();
  char end = 0;
  if (std::sscanf(size.c_str(), "%ldx%ld%c", &options.height, &options.width, &end) != 2 ||
      options.height < 16 || options.width < 16) {
    throw UsageError(concat("--size ", size, " is no HxW of at least 16x16, for example 64x64."));
  }
  return options;
}

}  // namespace

ExitCode synthesize_federation(const Arguments& arguments, const Communicator& comm) {
  std::optional<po::variables_map> given;
  comm.agree([&] { given = parse_command("synthesize", arguments, synthesize_options()); });
  if (given->contains("help")) {
    print(concat(synthesize_options()), comm);
    return ExitCode::done;
  }
  comm.agree([&] {
    const SyntheticOptions options = read_options(*given);
    if (!comm.is_root()) return;
    for (const auto& path : synthesize(options, (*given)["output"].as<std::string>())) {
      print(path.string() + "\n", comm);
    }
  });
  return ExitCode::done;
}

}  // namespace harmofl
