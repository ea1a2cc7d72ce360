// SPDX-License-Identifier: Apache-2.0
// harmofl-prepare: makes the HDF5 shards that harmofl trains on from folders of images.
#include "base/log.hpp"
#include "base/process/interrupt.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/subcommands.hpp"

#include <exception>
#include <sstream>
#include <string>
#include <vector>

namespace {

using harmofl::ExitCode;

ExitCode run(const std::vector<std::string>& arguments) {
  harmofl::install_interrupt_handlers();
  std::ostringstream answer;
  const ExitCode code = harmofl::prepare::run_subcommand(arguments, answer);
  if (!answer.str().empty()) harmofl::log::answer(answer.str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  harmofl::let_writes_fail();
  harmofl::log::keep_standard_streams();
  try {
    return static_cast<int>(run({argv + 1, argv + argc}));
  } catch (const harmofl::Error& error) {
    harmofl::log::error(error.what());
    return static_cast<int>(error.exit_code());
  } catch (const std::bad_alloc&) {
    harmofl::log::error("not enough memory: an image and its mask must fit. Use smaller images.");
  } catch (const std::exception& error) {
    harmofl::log::error(error.what());
  }
  return static_cast<int>(ExitCode::user_error);
}
