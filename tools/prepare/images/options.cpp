// SPDX-License-Identifier: Apache-2.0
#include "prepare/images/options.hpp"

#include "base/version.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/command_options.hpp"
#include "prepare/scan/scan.hpp"

#include <boost/program_options.hpp>

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

namespace harmofl::prepare {
namespace {

namespace po = boost::program_options;

constexpr const char* usage =
    "Usage: harmofl-prepare images --input DIR --output DIR [options]\n"
    "\n"
    "Makes one HDF5 shard a site, OUTPUT/<site>.h5, from PNG, TIFF, JPEG and BMP images:\n"
    "  INPUT/<site>/<id>.png with <id>_mask.png   segmentation\n"
    "  INPUT/<site>/<class>/<id>.png              classification\n"
    "  a CSV list (--list) with columns id, site and optionally path, mask, label, split, patient\n"
    "  a set laid out as its makers do (--layout): authors, medmnist, monusac, monuseg, tnbc\n"
    "\n";

constexpr const char* see_help = " See harmofl-prepare images --help.";

po::options_description known_options() {
  po::options_description options("Options", 100);
  const auto text = [] { return po::value<std::string>(); };
  options.add_options()                                                                  //
      ("input", text()->value_name("DIR"), "folder with one sub-folder a site")          //
      ("output", text()->value_name("DIR"), "folder for the shards; made when missing")  //
      ("size", text()->value_name("HxW"), "resample images and masks to this size")      //
      ("patch", text()->value_name("HxW"), "cut them into tiles of this size instead")   //
      ("split", text()->value_name("A/B/C")->default_value("64/16/20"),
       "percent of images for train/val/test")  //
      ("seed", text()->value_name("N")->default_value("0"),
       "seed of the random split")                                                        //
      ("list", text()->value_name("CSV"), "list of images; looked for in INPUT as well")  //
      ("deflate", text()->value_name("0-9")->default_value("0"),
       "compression level of the shards")                       //
      ("grey", "one channel instead of three")                  //
      ("sites", text()->value_name("A,B"), "only these sites")  //
      ("task", text()->value_name("TASK")->default_value("auto"),
       "auto, segmentation or classification")  //
      ("layout", text()->value_name("NAME")->default_value("folders"),
       "folders, or that of a set: authors, medmnist, monusac, monuseg, tnbc")                  //
      ("site", text()->value_name("NAME"), "name of the one site of monuseg, monusac or tnbc")  //
      ("sites-from", text()->value_name("CSV"),
       "sites of those, by the columns image (or patient) and site")  //
      ("mask-values", text()->value_name("V=C,..."),
       "class of each value of a mask, or name of an outline: 255=1,128=2")                     //
      ("mask-threshold", text()->value_name("N"), "values of a mask from N on are foreground")  //
      ("instances", "keep numbers of instances, OUTPUT/<site>_instances/<id>.png")              //
      ("class-names", text()->value_name("A,B,..."), "names of the classes of masks")           //
      ("overwrite", "replace shards that are there and differ")                                 //
      ("help,h", "say this")                                                                    //
      ("version", "say which version this is");
  return options;
}

[[noreturn]] void refuse(const std::string& option, const std::string& value,
                         const std::string& expected) {
  throw UsageError(concat("--", option, " ", value, ": expected ", expected, ".", see_help));
}

/// The whole number `part` of `value`, which is that of `option`.
std::int64_t whole_in(const std::string& part, WholeRange range, const std::string& option,
                      const std::string& value, const std::string& expected) {
  const std::optional<std::int64_t> number = parse_whole(part);
  if (!number || !range.holds(*number)) refuse(option, value, expected);
  return *number;
}

std::array<int, 3> parse_split(const std::string& text) {
  const std::string expected = "three whole percentages that add up to 100, such as 64/16/20";
  const std::vector<std::string> parts = split_text(text, '/');
  std::array<int, 3> percent{};
  if (parts.size() != percent.size()) refuse("split", text, expected);
  for (std::size_t i = 0; i < percent.size(); ++i) {
    percent[i] = static_cast<int>(whole_in(parts[i], {0, 100}, "split", text, expected));
  }
  if (percent[0] + percent[1] + percent[2] != 100) refuse("split", text, expected);
  return percent;
}

std::optional<Task> parse_task(const std::string& name) {
  if (name == "auto") return std::nullopt;
  for (const Task task : {Task::segmentation, Task::classification}) {
    if (name == to_string(task)) return task;
  }
  refuse("task", name, "auto, segmentation or classification");
}

/// "255=1,128=2" as a table; 0 is class 0 unless it says otherwise.
std::map<std::string, int> parse_mask_values(const std::string& text) {
  const std::string expected =
      "values and their classes, such as 255=1,128=2, each value once and classes from 0 to 255";
  std::map<std::string, int> classes;
  for (const std::string& pair : split_text(text, ',')) {
    const std::size_t equals = pair.rfind('=');
    if (equals == std::string::npos || equals == 0) refuse("mask-values", text, expected);
    const auto number = whole_in(pair.substr(equals + 1), {0, 255}, "mask-values", text, expected);
    const bool fresh = classes.emplace(pair.substr(0, equals), static_cast<int>(number)).second;
    if (!fresh) refuse("mask-values", text, expected);
  }
  if (classes.empty()) refuse("mask-values", text, expected);
  classes.emplace("0", 0);
  return classes;
}

MaskRule parse_mask_rule(const po::variables_map& values) {
  MaskRule rule;
  rule.instances = values.count("instances") > 0;
  if (values.count("mask-values") > 0) {
    rule.classes = parse_mask_values(values["mask-values"].as<std::string>());
  }
  if (values.count("mask-threshold") == 0) return rule;
  if (!rule.classes.empty()) {
    throw UsageError(concat("--mask-values and --mask-threshold exclude each other: give one of ",
                            "them.", see_help));
  }
  const std::string text = values["mask-threshold"].as<std::string>();
  rule.threshold =
      whole_in(text, {1, 65535}, "mask-threshold", text, "a whole number from 1 to 65535");
  return rule;
}

/// Names of the classes of masks: as many as there are classes, or more.
std::vector<std::string> parse_class_names(const std::string& text, const MaskRule& rule) {
  const std::vector<std::string> names = split_text(text, ',');
  const std::set<std::string> different(names.begin(), names.end());
  const bool good = names.size() >= rule.class_count() && names.size() <= 256 &&
                    different.size() == names.size() && !different.contains("");
  if (!good || !is_printable(text)) {
    refuse("class-names", text,
           concat("at least ", rule.class_count(), " different names, that of class 0 first"));
  }
  return names;
}

std::string parse_layout(const std::string& name) {
  const std::vector<std::string> known = layout_names();
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    throw UsageError(concat(unknown(concat("--layout ", name), name, known), see_help));
  }
  return name;
}

/// Relative lists may be given from here or from the input folder.
std::filesystem::path find_list(const std::filesystem::path& input,
                                const std::filesystem::path& list) {
  return std::filesystem::exists(list) ? list : input / list;
}

/// How the input is laid out, and what its masks say.
void read_source_options(const po::variables_map& values, Options& options) {
  const auto text = [&](const char* name) { return values[name].as<std::string>(); };
  options.layout = parse_layout(text("layout"));
  if (options.list && options.layout != "folders") {
    throw UsageError(concat("--list and --layout exclude each other: give one of them.", see_help));
  }
  const bool one_source = layout_has_one_source(options.layout);
  for (const char* option : {"site", "sites-from"}) {
    if (values.count(option) > 0 && !one_source) {
      throw UsageError(concat("--", option, " is for --layout monuseg, monusac or tnbc; this ",
                              "layout names its sites itself.", see_help));
    }
  }
  if (values.count("site") > 0) options.site = text("site");
  if (values.count("sites-from") > 0) {
    options.sites_from = find_list(options.input, text("sites-from"));
  }
  if (options.site && options.sites_from) {
    throw UsageError(
        concat("--site and --sites-from exclude each other: give one of them.", see_help));
  }
  options.mask = parse_mask_rule(values);
  if (values.count("class-names") > 0) {
    options.class_names = parse_class_names(text("class-names"), options.mask);
  }
}

Options to_options(const po::variables_map& values) {
  const auto text = [&](const char* name) { return values[name].as<std::string>(); };
  Options options;
  options.input = required(values, "input", "images");
  options.output = required(values, "output", "images");
  if (values.count("size") > 0) options.size = parse_size("size", text("size"));
  if (values.count("patch") > 0) options.patch = parse_size("patch", text("patch"));
  if (options.size && options.patch) {
    throw UsageError(std::string("--size and --patch exclude each other: give one of them.") +
                     see_help);
  }
  options.percent = parse_split(text("split"));
  const WholeRange seeds{0};
  options.seed =
      static_cast<std::uint64_t>(whole_in(text("seed"), seeds, "seed", text("seed"), seeds.text()));
  if (values.count("list") > 0) options.list = find_list(options.input, text("list"));
  options.deflate = static_cast<int>(
      whole_in(text("deflate"), {0, 9}, "deflate", text("deflate"), "a level from 0 to 9"));
  options.grey = values.count("grey") > 0;
  if (values.count("sites") > 0) options.sites = split_text(text("sites"), ',');
  options.task = parse_task(text("task"));
  options.overwrite = values.count("overwrite") > 0;
  read_source_options(values, options);
  return options;
}

std::string help_text(const po::options_description& known) {
  std::ostringstream text;
  text
      << usage << known
      << "\nExit status: 0 done; 1 an input cannot be used; 2 wrong usage; 75 interrupted (shards\n"
         "that are finished stay, the same command continues).\n";
  return text.str();
}

}  // namespace

Command parse(const std::vector<std::string>& arguments) {
  const po::options_description known = known_options();
  const po::variables_map values = parse_options(arguments, known, "images");
  if (values.count("help") > 0) return {help_text(known), {}};
  if (values.count("version") > 0)
    return {concat("harmofl-prepare ", build_info().version, "\n"), {}};
  return {"", to_options(values)};
}

}  // namespace harmofl::prepare
