// SPDX-License-Identifier: Apache-2.0
// Under mpirun the standard error of a rank is a pipe, though a person may sit at its other end.
#include "comm/launcher.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

/// Programs that start ranks and pass on what they say; the kernel keeps 15 characters of a name.
constexpr std::array<std::string_view, 9> launchers{"mpirun", "mpiexec",       "orterun",
                                                    "orted",  "prterun",       "prted",
                                                    "prte",   "mpiexec.hydra", "hydra_pmi_proxy"};

/// Options of mpirun and mpiexec, without their dashes, that change the lines or send them
/// elsewhere.
constexpr std::array<std::string_view, 14> changing{"tag-output",
                                                    "timestamp-output",
                                                    "output-filename",
                                                    "output-directory",
                                                    "output",
                                                    "xml",
                                                    "xml-file",
                                                    "xterm",
                                                    "prepend-rank",
                                                    "merge-stderr-to-stdout",
                                                    "l",
                                                    "outfile-pattern",
                                                    "errfile-pattern",
                                                    "stream-buffering"};

/// The same as parameters of Open MPI, on its command line or in the environment.
constexpr std::array<std::string_view, 5> parameters{"orte_tag_output", "orte_timestamp_output",
                                                     "orte_output_filename", "orte_xml_output",
                                                     "orte_xml_file"};

fs::path process_folder(long process) { return fs::path("/proc") / std::to_string(process); }

std::string name_of(long process) {
  std::string name;
  std::getline(std::ifstream(process_folder(process) / "comm"), name);
  return name;
}

/// The process that started another; 0 where that is not known. What stands before it in `stat` is
/// a name in parentheses, which may hold anything, and a letter.
long parent_of(long process) {
  std::string line;
  std::getline(std::ifstream(process_folder(process) / "stat"), line);
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream rest(line.substr(end + 1));
  std::string state;
  long parent = 0;
  rest >> state >> parent;
  return parent;
}

std::vector<std::string> arguments_of(long process) {
  std::ifstream file(process_folder(process) / "cmdline");
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  return arguments;
}

/// Whether a process has the pipe "pipe:[4711]" open.
bool holds(long process, const fs::path& pipe) {
  std::error_code failed;
  for (fs::directory_iterator entry(process_folder(process) / "fd", failed), end;
       !failed && entry != end; entry.increment(failed)) {
    std::error_code unreadable;
    if (fs::read_symlink(entry->path(), unreadable) == pipe) return true;
  }
  return false;
}

bool is_launcher(long process) {
  return std::ranges::find(launchers, name_of(process)) != launchers.end();
}

/// The launcher that reads our pipe; 0 where none does.
long reader_of(const fs::path& pipe) {
  long process = getppid();
  for (int up = 0; process > 1 && up < 16; ++up, process = parent_of(process)) {
    if (is_launcher(process) && holds(process, pipe)) return process;
  }
  return 0;
}

/// The terminal that is a process's standard error, open; -1 where that is something else.
int open_terminal(long process) {
  const fs::path errors = process_folder(process) / "fd" / "2";
  struct stat found = {};
  if (stat(errors.c_str(), &found) != 0 || !S_ISCHR(found.st_mode)) return -1;
  const int file = open(errors.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0 || isatty(file) != 0) return file;
  close(file);
  return -1;
}

bool is_dumb() {
  const char* kind = std::getenv("TERM");
  return kind != nullptr && std::string_view(kind) == "dumb";
}

bool is_changed_by_environment() {
  return std::ranges::any_of(parameters, [](std::string_view name) {
    return std::getenv(("OMPI_MCA_" + std::string(name)).c_str()) != nullptr;
  });
}

}  // namespace

bool passes_on(const std::vector<std::string>& arguments) {
  return std::ranges::none_of(arguments, [](std::string_view argument) {
    if (std::ranges::find(parameters, argument) != parameters.end()) return true;
    const std::size_t dashes = argument.find_first_not_of('-');
    if (dashes == 0 || dashes == std::string_view::npos) return false;
    const std::string_view option = argument.substr(dashes, argument.find('=') - dashes);
    return std::ranges::find(changing, option) != changing.end();
  });
}

int terminal_of_errors() {
  if (is_dumb()) return -1;
  if (isatty(STDERR_FILENO) != 0) return STDERR_FILENO;
  std::error_code failed;
  const fs::path pipe = fs::read_symlink("/proc/self/fd/2", failed);
  if (failed || !pipe.string().starts_with("pipe:") || is_changed_by_environment()) return -1;
  for (long process = reader_of(pipe); process > 1 && is_launcher(process);
       process = parent_of(process)) {
    if (!passes_on(arguments_of(process))) return -1;
    const int terminal = open_terminal(process);
    if (terminal >= 0) return terminal;
  }
  return -1;
}

}  // namespace harmofl
