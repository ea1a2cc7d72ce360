// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/diff/difference_text.hpp"
#include "harmofl/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/hdf5/hdf5.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>

namespace harmofl {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

po::options_description diff_options() {
  po::options_description options(
      "usage: harmofl diff A B [--output FILE]\n"
      "Compares two run folders: configuration and provenance, then the first round, client and "
      "tensor in which they differ, and by how much. Runs with run.fingerprints = true tell client "
      "and tensor. Or compares the tensors of two checkpoints (.h5).\n"
      "Exit codes: 0 alike, 1 different, 2 trouble.\n\nOptions");
  options.add_options()("help,h", "show this text")(
      "runs", po::value<std::vector<std::string>>()->required(),
      "A and B: two run folders, or two checkpoints")(
      "output", po::value<std::string>(), "write all differences to this JSON file too");
  return options;
}

/// As diff(1) ends, too. Bad input then ends as a wrong option does.
constexpr ExitCode runs_differ{1};

/// What is to be said, and whether all is alike.
struct DiffAnswer {
  std::string text;
  nlohmann::ordered_json json;
  bool alike = false;
};

DiffAnswer compare_folders(const fs::path& a, const fs::path& b) {
  const RunDifference difference = compare_runs(a, b);
  return {difference_text(difference), difference_json(difference), difference.alike()};
}

CheckpointReader open_for_diff(const fs::path& path) {
  const bool there = CheckpointReader::has_seal(path) ||
                     hdf5::File::open(path).exists(concat("/", checkpoint_groups::model));
  HARMOFL_VALIDATE(there, printable(path.string()), ": is not a checkpoint. Give two run folders, ",
                   "or two checkpoints (.h5).");
  return CheckpointReader(path);
}

DiffAnswer compare_checkpoints(const fs::path& a, const fs::path& b) {
  const CheckpointReader left = open_for_diff(a), right = open_for_diff(b);
  const CheckpointDifference difference = difference_of(left, right);
  const auto config = config_differences(ini_values(left.info().config, a.string()),
                                         ini_values(right.info().config, b.string()));
  DiffAnswer answer{difference_text(difference, config), difference_json(difference),
                    difference.alike()};
  answer.json["configuration"] = difference_json(config);
  return answer;
}

DiffAnswer compare_paths(const std::vector<std::string>& paths) {
  const fs::path a = paths[0], b = paths[1];
  for (const fs::path& path : {a, b}) {
    std::error_code failed;
    HARMOFL_VALIDATE(fs::exists(path, failed), printable(path.string()),
                     ": there is no such folder or file. Check the path.");
  }
  const bool folder_a = fs::is_directory(a), folder_b = fs::is_directory(b);
  HARMOFL_VALIDATE(folder_a == folder_b, printable((folder_a ? a : b).string()),
                   ": is a folder, but ", printable((folder_a ? b : a).string()),
                   " is a file. Give two run folders, or two checkpoints (.h5).");
  return folder_a ? compare_folders(a, b) : compare_checkpoints(a, b);
}

void check_output(const std::string& output, const std::vector<std::string>& paths) {
  check_replaceable(output);
  for (const std::string& path : paths) {
    std::error_code failed;
    HARMOFL_VALIDATE(!fs::equivalent(output, path, failed), printable(output),
                     ": is a file that is compared. Give --output another name.");
  }
}

ExitCode compare(const Arguments& arguments, const Communicator& comm) {
  std::optional<po::variables_map> given;
  comm.agree([&] { given = parse_command("diff", arguments, diff_options(), "runs", 2); });
  if (given->contains("help")) {
    print(concat(diff_options()), comm);
    return ExitCode::done;
  }
  DiffAnswer answer;
  comm.agree([&] {
    const auto& paths = (*given)["runs"].as<std::vector<std::string>>();
    if (paths.size() != 2) {
      throw UsageError(
          "harmofl diff: give two run folders, or two checkpoints. See `harmofl diff "
          "--help`.");
    }
    const bool writes = given->contains("output");
    if (!comm.is_root()) return;
    const std::string output = writes ? (*given)["output"].as<std::string>() : "";
    if (writes) check_output(output, paths);
    answer = compare_paths(paths);
    if (writes) write_text_file(output, answer.json.dump(2) + "\n");
  });
  print(answer.text, comm);
  return comm.any(answer.alike) ? ExitCode::done : runs_differ;
}

}  // namespace

// As diff(1): what cannot be compared does not end as what differs.
ExitCode diff_runs(const Arguments& arguments, const Communicator& comm) {
  try {
    return compare(arguments, comm);
  } catch (const UserError& error) {
    UsageError trouble(error.what());
    if (error.on_every_rank()) trouble.mark_on_every_rank();
    throw trouble;
  }
}

}  // namespace harmofl
