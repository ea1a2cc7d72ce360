// SPDX-License-Identifier: Apache-2.0
#include "base/process/fault.hpp"

#include "base/log.hpp"
#include "harmofl/base/text.hpp"

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace harmofl {
namespace {

const char* wanted_fault() {
  static const char* const wanted = std::getenv("HARMOFL_FAULT");
  return wanted;
}

}  // namespace

void announce_fault() {
  if (wanted_fault() == nullptr) return;
  log::warn_once(concat("HARMOFL_FAULT is set: this job fails on purpose at ", wanted_fault(),
                        ". Unset it for a run that is to count."));
}

void fault_point(std::string_view place, long rank, long round) {
  const char* const wanted = wanted_fault();
  if (wanted == nullptr) return;
  const std::string here = concat("@", place, ":", rank, ":", round);
  if (wanted == "throw" + here) throw std::runtime_error("injected failure" + here);
  if (wanted == "exit" + here) _exit(9);
  if (wanted == "crash" + here) raise(SIGSEGV);
  while (wanted == "hang" + here) pause();
}

}  // namespace harmofl
