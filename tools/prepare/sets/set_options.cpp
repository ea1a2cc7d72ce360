// SPDX-License-Identifier: Apache-2.0
#include "prepare/sets/set_options.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/command_options.hpp"

#include <limits>
#include <sstream>

namespace harmofl::prepare {
namespace {

namespace po = boost::program_options;

constexpr const char* camelyon17_usage =
    "Usage: harmofl-prepare camelyon17 --input DIR --output DIR [options]\n"
    "\n"
    "Makes one HDF5 shard a hospital, OUTPUT/hospital0.h5 to hospital4.h5, from Camelyon17-WILDS "
    "1.0:\n"
    "INPUT/metadata.csv and the PNG files in INPUT/patches.\n"
    "\n";

constexpr const char* prostate_usage =
    "Usage: harmofl-prepare prostate --input DIR --output DIR [options]\n"
    "\n"
    "Makes one HDF5 shard a site, OUTPUT/<site>.h5, from the slices of MRI volumes with masks:\n"
    "INPUT/<site>/CaseNN.nii.gz with CaseNN_segmentation.nii.gz.\n"
    "\n";

constexpr const char* exit_codes =
    "\nExit status: 0 done; 1 an input cannot be used; 2 wrong usage; 75 interrupted. What was "
    "decoded\n"
    "stays beside the shards, and the same command continues, also after it was killed.\n";

constexpr const char* percentages = "three whole percentages that add up to 100, such as 64/16/20";

auto text(const char* shown) { return po::value<std::string>()->value_name(shown); }

po::options_description set_options() {
  po::options_description options("Options", 100);
  options.add_options()                                                                //
      ("input", text("DIR"), "folder of the set as it is published")                   //
      ("output", text("DIR"), "folder for the shards; made when missing")              //
      ("seed", text("N")->default_value("0"), "seed of what is drawn")                 //
      ("deflate", text("0-9")->default_value("0"), "compression level of the shards")  //
      ("jobs", text("N")->default_value("1"), "threads that decode")                   //
      ("sites", text("A,B"), "only these sites")                                       //
      ("overwrite", "replace shards that are there and differ")                        //
      ("help,h", "say this");
  return options;
}

/// The values of one command line, with errors that name its subcommand.
class Values {
 public:
  Values(const std::vector<std::string>& arguments, const po::options_description& known,
         std::string command)
      : values_(parse_options(arguments, known, command)), command_(std::move(command)) {}

  bool has(const char* option) const { return values_.count(option) > 0; }
  std::string get(const char* option) const { return values_[option].as<std::string>(); }
  std::string needed(const char* option) const { return required(values_, option, command_); }

  [[noreturn]] void refuse(const char* option, const std::string& expected) const {
    throw UsageError(concat("--", option, " ", get(option), ": expected ", expected,
                            ". See harmofl-prepare ", command_, " --help."));
  }

  std::int64_t whole(const char* option, WholeRange range) const {
    const auto number = parse_whole(get(option));
    if (!number || !range.holds(*number)) refuse(option, range.text());
    return *number;
  }

  std::array<int, 3> percent(const char* option) const {
    const std::vector<std::string> parts = split_text(get(option), '/');
    std::array<int, 3> percent{};
    if (parts.size() != percent.size()) refuse(option, percentages);
    for (std::size_t i = 0; i < percent.size(); ++i) {
      const auto number = parse_whole(parts[i]);
      if (!number || *number < 0 || *number > 100) refuse(option, percentages);
      percent[i] = static_cast<int>(*number);
    }
    if (percent[0] + percent[1] + percent[2] != 100) refuse(option, percentages);
    return percent;
  }

 private:
  po::variables_map values_;
  std::string command_;
};

SetOptions to_set_options(const Values& values, const char* percent) {
  constexpr int most_jobs = 1024;
  SetOptions options;
  options.input = values.needed("input");
  options.output = values.needed("output");
  options.percent = values.percent(percent);
  options.seed = static_cast<std::uint64_t>(values.whole("seed", {0}));
  options.deflate = static_cast<int>(values.whole("deflate", {0, 9}));
  options.jobs = static_cast<int>(values.whole("jobs", {1, most_jobs}));
  if (values.has("sites")) options.sites = split_text(values.get("sites"), ',');
  options.overwrite = values.has("overwrite");
  return options;
}

std::string help_text(const char* usage, const po::options_description& known) {
  std::ostringstream out;
  out << usage << known << exit_codes;
  return out.str();
}

CamelyonSplit parse_split(const Values& values) {
  for (const auto split : {CamelyonSplit::wilds, CamelyonSplit::patient, CamelyonSplit::tail}) {
    if (values.get("split") == to_string(split)) return split;
  }
  values.refuse("split", "wilds, patient or tail");
}

}  // namespace

std::string to_string(CamelyonSplit split) {
  if (split == CamelyonSplit::wilds) return "wilds";
  return split == CamelyonSplit::patient ? "patient" : "tail";
}

CamelyonOptions parse_camelyon17(const std::vector<std::string>& arguments, std::string& help) {
  po::options_description known = set_options();
  known.add_options()  //
      ("split", text("HOW")->default_value("wilds"),
       "wilds, as the set has it; patient, whole patients by --shares; or tail, the last of train "
       "are val")  //
      ("shares", text("A/B/C")->default_value("64/16/20"),
       "percent of train/val/test of patient and tail")  //
      ("allow-missing", text("N")->default_value("0"),
       "most patches that may be missing or damaged, and are then left out");
  const Values values(arguments, known, "camelyon17");
  if (values.has("help")) {
    help = help_text(camelyon17_usage, known);
    return {};
  }
  CamelyonOptions options;
  options.set = to_set_options(values, "shares");
  options.split = parse_split(values);
  options.allow_missing = values.whole("allow-missing", {0});
  return options;
}

ProstateOptions parse_prostate(const std::vector<std::string>& arguments, std::string& help) {
  po::options_description known = set_options();
  known.add_options()  //
      ("split", text("A/B/C")->default_value("64/16/20"),
       "percent of slices for train/val/test")  //
      ("split-by", text("WHAT")->default_value("patient"),
       "patient, whole patients; or slice, as published")  //
      ("size", text("HxW")->default_value("384x384"), "resample slices to this size");
  const Values values(arguments, known, "prostate");
  if (values.has("help")) {
    help = help_text(prostate_usage, known);
    return {};
  }
  ProstateOptions options;
  options.set = to_set_options(values, "split");
  options.size = parse_size("size", values.get("size"));
  const std::string by = values.get("split-by");
  if (by != "patient" && by != "slice") values.refuse("split-by", "patient or slice");
  options.by_patient = by == "patient";
  return options;
}

}  // namespace harmofl::prepare
