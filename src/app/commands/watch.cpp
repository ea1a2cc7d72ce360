// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/watch/run_reader.hpp"
#include "app/commands/watch/screen.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>

namespace harmofl {
namespace {

namespace po = boost::program_options;

po::options_description watch_options() {
  po::options_description options(
      "usage: harmofl watch RUN... [OPTIONS]\n"
      "Shows a run while it goes on, here or on another machine that writes to the same disk: "
      "rounds, time left, the measure of each site, phases, who waits, whether it still lives. Of "
      "several runs a line each. Ends when all have ended, or with Ctrl-C, which the runs do not "
      "notice. Without a terminal it shows them once.\n\nOptions");
  options.add_options()("help,h", "show this text")(
      "run", po::value<std::vector<std::string>>()->required(), "folder of a run (run.output)")(
      "once", po::bool_switch(), "show it once, whole, and end")("every", text_option("2"),
                                                                 "seconds between two looks")(
      "width", text_option("0"), "columns; 0 is those of the terminal, 80 without one");
  return options;
}

/// Whether the locale says that texts are UTF-8; the first of the three that is set counts.
bool speaks_unicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string text = value;
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text.find("utf-8") != std::string::npos || text.find("utf8") != std::string::npos;
  }
  return false;
}

/// What standard output is at present; its size may change.
Screen screen_now(bool terminal, bool once, std::int64_t wanted_width) {
  winsize size = {};
  const bool known = terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const char* no_colour = std::getenv("NO_COLOR");
  Screen screen;
  screen.width = wanted_width > 0 ? wanted_width : known ? size.ws_col : 80;
  // The last line stays free, for the cursor.
  screen.height = known && !once ? std::max(4, size.ws_row - 1) : 0;
  screen.colour = terminal && (no_colour == nullptr || *no_colour == '\0');
  screen.unicode = speaks_unicode();
  return screen;
}

void show(const std::string& text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  HARMOFL_VALIDATE(written, "standard output cannot be written (", std::strerror(errno),
                   "). Send it elsewhere.");
}

/// `text` in the place of the `former` lines above the cursor.
std::string redrawn(const std::string& text, std::int64_t former) {
  std::string drawn = former > 0 ? concat("\r\033[", former, "A") : "";
  for (const char c : text) drawn += c == '\n' ? std::string("\033[K\n") : std::string(1, c);
  return drawn + "\033[J";
}

double clock_s() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_1970).count();
}

void watch_runs(const GivenOptions& given) {
  const double every_s = number_option(given, "every", from_to(0.1, 3600.0));
  const std::int64_t width = whole_option(given, "width", {0, 1000});
  std::vector<RunReader> readers;
  for (const std::string& folder : given["run"].as<std::vector<std::string>>()) {
    readers.emplace_back(folder);
  }
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  const bool once = given["once"].as<bool>() || !terminal;
  for (std::int64_t former = 0;;) {
    std::vector<RunView> views;
    for (RunReader& reader : readers) views.push_back(reader.look(clock_s()));
    const Screen screen = screen_now(terminal, once, width);
    const std::string text =
        views.size() == 1 ? run_screen(views.front(), screen) : runs_screen(views, screen);
    show(once ? text : redrawn(text, former));
    const bool over = std::ranges::all_of(
        views, [](const RunView& view) { return view.phase == RunPhase::finished; });
    if (once || over) return;
    former = std::ranges::count(text, '\n');
    std::this_thread::sleep_for(std::chrono::duration<double>(every_s));
  }
}

}  // namespace

ExitCode watch(const Arguments& arguments, const Communicator& comm) {
  std::optional<po::variables_map> given;
  comm.agree([&] { given = parse_command("watch", arguments, watch_options(), "run", -1); });
  if (given->contains("help")) {
    print(concat(watch_options()), comm);
    return ExitCode::done;
  }
  comm.agree([&] {
    if (comm.is_root()) watch_runs(*given);
  });
  return ExitCode::done;
}

}  // namespace harmofl
