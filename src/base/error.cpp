// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"

#include <new>

namespace harmofl {
namespace {

/// The message as a C string can hold it and a person can read it.
std::string readable(const std::string& message) {
  constexpr std::size_t most = 1500, kept_each_end = 700;
  std::string text = printable(message);
  if (text.size() > most) {
    text.replace(kept_each_end, text.size() - 2 * kept_each_end, " [...] ");
  }
  return text;
}

}  // namespace

Error::Error(ExitCode code, const std::string& message)
    : std::runtime_error(readable(message)), code_(code) {}

std::string message_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return "there is not enough memory. Use fewer ranks on this host, smaller batches or a "
           "narrower model.";
  }
  const std::string text = error.what();
  return text.substr(0, text.find("\nException raised from "));
}

}  // namespace harmofl

namespace harmofl::detail {

void contract_failed(const char* kind, const char* condition, const char* file, int line) {
  throw ContractViolation(concat(file, ":", line, ": ", kind, " broken: ", condition,
                                 ". This is a defect of harmofl; please report it."));
}

}  // namespace harmofl::detail
