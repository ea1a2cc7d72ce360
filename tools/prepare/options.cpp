// SPDX-License-Identifier: Apache-2.0
#include "prepare/options.hpp"

#include "base/version.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"

#include <boost/program_options.hpp>

#include <sstream>
#include <utility>

namespace harmofl::prepare {
namespace {

namespace po = boost::program_options;

constexpr const char* usage =
    "Usage: harmofl-prepare images --input DIR --output DIR [options]\n"
    "\n"
    "Makes one HDF5 shard a site, OUTPUT/<site>.h5, from PNG images:\n"
    "  INPUT/<site>/<id>.png with <id>_mask.png   segmentation\n"
    "  INPUT/<site>/<class>/<id>.png              classification\n"
    "  a CSV list (--list) with columns id, site and optionally path, mask, label, split, patient\n"
    "\n";

constexpr const char* see_help = " See harmofl-prepare --help.";

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
       "auto, segmentation or classification")                   //
      ("overwrite", "replace shards that are there and differ")  //
      ("help,h", "say this")                                     //
      ("version", "say which version this is");
  return options;
}

std::vector<std::string> split_text(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
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

std::string required(const po::variables_map& values, const std::string& option) {
  if (values.count(option) == 0) throw UsageError("--" + option + " is missing." + see_help);
  return values[option].as<std::string>();
}

/// Relative lists may be given from here or from the input folder.
std::filesystem::path find_list(const std::filesystem::path& input,
                                const std::filesystem::path& list) {
  return std::filesystem::exists(list) ? list : input / list;
}

Options to_options(const po::variables_map& values) {
  const auto text = [&](const char* name) { return values[name].as<std::string>(); };
  Options options;
  options.input = required(values, "input");
  options.output = required(values, "output");
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
  return options;
}

[[noreturn]] void refuse_unknown(const std::string& given, const po::options_description& known) {
  std::vector<std::string> names;
  for (const auto& option : known.options()) names.push_back(option->long_name());
  const std::string name = given.substr(std::min(given.size(), given.find_first_not_of('-')));
  const std::string near = closest(name, names);
  throw UsageError(concat("unknown option '", given, "'.",
                          near.empty() ? "" : concat(" Did you mean --", near, "?"), see_help));
}

po::variables_map parse_options(const std::vector<std::string>& arguments,
                                const po::options_description& known) {
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::variables_map values;
  try {
    const po::positional_options_description none;
    po::store(po::command_line_parser(arguments).options(known).style(style).positional(none).run(),
              values);
  } catch (const po::unknown_option& error) {
    refuse_unknown(error.get_option_name(), known);
  } catch (const po::too_many_positional_options_error&) {
    throw UsageError(std::string("only options may follow 'images'.") + see_help);
  } catch (const po::error& error) {
    throw UsageError(std::string(error.what()) + "." + see_help);
  }
  return values;
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

std::string to_string(Size size) { return concat(size.height, "x", size.width); }

Size parse_size(const std::string& option, const std::string& text) {
  const std::string expected = "rows x columns, such as 128x128";
  const std::vector<std::string> parts = split_text(text, 'x');
  if (parts.empty() || parts.size() > 2) refuse(option, text, expected);
  const auto side = [&](const std::string& part) {
    return whole_in(part, {1, 65535}, option, text, expected);
  };
  return {side(parts.front()), side(parts.back())};
}

Command parse(const std::vector<std::string>& arguments) {
  const po::options_description known = known_options();
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first == "--help" || first == "-h") return {help_text(known), {}};
  if (first == "--version") return {concat("harmofl-prepare ", build_info().version, "\n"), {}};
  if (first.empty()) throw UsageError(std::string("a command is missing: images.") + see_help);
  if (first != "images") {
    const bool near = !closest(first, {"images"}).empty();
    throw UsageError(concat("unknown command '", first, "'.",
                            near ? " Did you mean images?" : " Known: images.", see_help));
  }
  const po::variables_map values = parse_options({arguments.begin() + 1, arguments.end()}, known);
  if (values.count("help") > 0) return {help_text(known), {}};
  if (values.count("version") > 0)
    return {concat("harmofl-prepare ", build_info().version, "\n"), {}};
  return {"", to_options(values)};
}

}  // namespace harmofl::prepare
