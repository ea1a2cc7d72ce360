// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/commands.hpp"
#include "data/synthetic/synthetic.hpp"

#include <algorithm>
#include <optional>
#include <sstream>

namespace harmofl {
namespace {

namespace po = boost::program_options;

po::options_description synthesize_options() {
  po::options_description options(
      "usage: harmofl synthesize --output DIR [OPTIONS]\n"
      "Makes sites that differ by gain, contrast, colour cast, blur and frequency transfer.\n"
      "The same options and seed make the same bytes.\n\nOptions");
  options.add_options()("help,h", "show this text")("output", po::value<std::string>()->required(),
                                                    "folder for the shards")(
      "task", text_option("segmentation"), "segmentation | classification")(
      "sites", text_option("4"), "number of sites")(
      "train", text_option("48"),
      "training images a site, or a list with a number for each: 9,5,7")(
      "val", text_option("12"), "validation images a site, or a list")(
      "test", text_option("12"), "test images a site, or a list")(
      "size", text_option("64x64"), "height x width, pixels")("shift", text_option("1"),
                                                              "strength of the sites' differences")(
      "unequal", po::bool_switch(), "site k holds 1/(k+1) of the training images, of at least 4")(
      "seed", text_option("0"), "seed");
  return options;
}

void read_size(const std::string& text, SyntheticOptions& options) {
  const std::size_t times = std::min(text.find('x'), text.size());
  const auto height = parse_whole(text.substr(0, times));
  const auto width = parse_whole(text.substr(std::min(times + 1, text.size())));
  const WholeRange range{16, 65535};
  if (!height || !width || !range.holds(*height) || !range.holds(*width)) {
    throw UsageError(concat("--size ", text, " is not HEIGHTxWIDTH of ", range.least, " to ",
                            range.most, " pixels each, for example 64x64."));
  }
  options.height = *height;
  options.width = *width;
}

/// A number of samples for all sites, or one for each with commas in between.
void read_counts(const GivenOptions& given, const std::string& name, WholeRange range,
                 std::int64_t& all, std::vector<std::int64_t>& by_site) {
  const std::string text = given[name].as<std::string>();
  if (text.find(',') == std::string::npos) {
    all = whole_option(given, name, range);
    return;
  }
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    const auto number = parse_whole(item);
    if (!number || !range.holds(*number)) {
      throw UsageError(concat("--", name, " ", text, ": '", item, "' is not ", range.text(), "."));
    }
    by_site.push_back(*number);
  }
}

SyntheticOptions read_synthetic_options(const GivenOptions& given) {
  SyntheticOptions options;
  const std::string task = given["task"].as<std::string>();
  if (task != "segmentation" && task != "classification") {
    throw UsageError(concat("--task ", task, " is unknown. Known: segmentation, classification."));
  }
  options.task = task == "segmentation" ? Task::segmentation : Task::classification;
  options.sites = whole_option(given, "sites", {1});
  read_counts(given, "train", {1}, options.train, options.by_site[0]);
  read_counts(given, "val", {0}, options.val, options.by_site[1]);
  read_counts(given, "test", {0}, options.test, options.by_site[2]);
  options.seed = static_cast<std::uint64_t>(whole_option(given, "seed", {0}));
  options.shift = number_option(given, "shift", from_to(0.0, 2.0));
  options.unequal = given["unequal"].as<bool>();
  read_size(given["size"].as<std::string>(), options);
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
  std::string text;
  comm.agree([&] {
    const SyntheticOptions options = read_synthetic_options(*given);
    if (!comm.is_root()) return;
    for (const auto& path : synthesize(options, (*given)["output"].as<std::string>())) {
      text += path.string() + "\n";
    }
  });
  print(text, comm);
  return ExitCode::done;
}

}  // namespace harmofl
