// SPDX-License-Identifier: Apache-2.0
/// How tests look at errors.
#pragma once

#include "harmofl/base/error.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace harmofl::test {

/// The message of the error of kind `Kind` that `action` throws; a failure and "" when it throws
/// none.
template <class Kind = Error>
std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Kind& error) {
    return error.what();
  }
  ADD_FAILURE() << "no such error was thrown";
  return "";
}

inline std::string user_error_of(const std::function<void()>& action) {
  return error_of<UserError>(action);
}

}  // namespace harmofl::test
