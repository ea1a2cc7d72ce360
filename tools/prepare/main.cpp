// SPDX-License-Identifier: Apache-2.0
// harmofl-prepare: makes the HDF5 shards that harmofl trains on from folders of images.
#include "base/interrupt.hpp"
#include "base/log.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/convert.hpp"
#include "prepare/options.hpp"

#include <exception>
#include <iostream>
#include <string>
#include <vector>

namespace {

using harmofl::ExitCode;

ExitCode run(const std::vector<std::string>& arguments) {
  const harmofl::prepare::Command command = harmofl::prepare::parse(arguments);
  if (!command.answer.empty()) {
    std::cout << command.answer;
    return ExitCode::done;
  }
  harmofl::install_interrupt_handlers();
  return harmofl::prepare::convert(command.options, std::cout);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return static_cast<int>(run({argv + 1, argv + argc}));
  } catch (const harmofl::Error& error) {
    harmofl::log::error(error.what());
    return static_cast<int>(error.exit_code());
  } catch (const std::bad_alloc&) {
    harmofl::log::error("not enough memory: a whole site must fit. Use fewer or smaller images.");
  } catch (const std::exception& error) {
    harmofl::log::error(error.what());
  }
  return static_cast<int>(ExitCode::user_error);
}
