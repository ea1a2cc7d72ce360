// SPDX-License-Identifier: Apache-2.0
#include "base/fault.hpp"

#include "harmofl/base/text.hpp"

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace harmofl {

void fault_point(std::string_view place, long rank, long round) {
  static const char* const wanted = std::getenv("HARMOFL_FAULT");
  if (wanted == nullptr) return;
  const std::string here = concat("@", place, ":", rank, ":", round);
  if (wanted == "throw" + here) throw std::runtime_error("injected failure" + here);
  if (wanted == "exit" + here) _exit(9);
  if (wanted == "crash" + here) raise(SIGSEGV);
  while (wanted == "hang" + here) pause();
}

}  // namespace harmofl
