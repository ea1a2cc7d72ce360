// SPDX-License-Identifier: Apache-2.0
/// Errors and contracts.
///
/// Message grammar: the problem with its value, why it is one, what to do about it.
/// `HARMOFL_VALIDATE` checks what users supply and is always on. `HARMOFL_EXPECT` (precondition),
/// `HARMOFL_ASSERT` (invariant) and `HARMOFL_ENSURE` (postcondition) check the programmer and are
/// on in builds with HARMOFL_CHECKS.
#pragma once

#include "harmofl/base/text.hpp"

#include <exception>
#include <stdexcept>
#include <string>

namespace harmofl {

/// What a process of this project returns to the shell.
enum class ExitCode : int {
  done = 0,
  user_error = 1,    ///< Bad input: a file, a value, a folder.
  usage = 2,         ///< An unknown command, option or value of an option.
  rank_failure = 3,  ///< A rank failed while the job ran.
  interrupted = 75,  ///< Interrupted and saved: call again with --resume.
};

/// Base of every error that this project throws.
class Error : public std::runtime_error {
 public:
  /// Of a message of more than 1500 bytes the middle is left out: a value of a file may be of any
  /// length, and what is wrong and what to do stand around it.
  Error(ExitCode code, const std::string& message);

  ExitCode exit_code() const noexcept { return code_; }

  /// True when every rank throws this same error, so that all can leave in good order. Otherwise
  /// the rank that throws must end the others.
  bool on_every_rank() const noexcept { return on_every_rank_; }
  /// Marks the error as one that every rank throws.
  Error& mark_on_every_rank() noexcept {
    on_every_rank_ = true;
    return *this;
  }

 private:
  ExitCode code_;
  bool on_every_rank_ = false;
};

/// Something that the user supplied cannot be used.
class UserError : public Error {
 public:
  explicit UserError(const std::string& message) : Error(ExitCode::user_error, message) {}
};

/// The command line or a configuration key is wrong.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(ExitCode::usage, message) {}
};

/// A rank failed while the job ran.
class RankFailure : public Error {
 public:
  explicit RankFailure(const std::string& message) : Error(ExitCode::rank_failure, message) {}
};

/// A contract between two pieces of this code was broken: a defect of this program.
class ContractViolation : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// What `error` says, without the trace that libtorch puts behind its messages.
std::string message_of(const std::exception& error);

namespace detail {
[[noreturn]] void contract_failed(const char* kind, const char* condition, const char* file,
                                  int line);
}  // namespace detail

}  // namespace harmofl

/// Throws UserError with the streamed message parts unless `condition` holds.
#define HARMOFL_VALIDATE(condition, ...)                                          \
  do {                                                                            \
    if (!(condition)) throw ::harmofl::UserError(::harmofl::concat(__VA_ARGS__)); \
  } while (false)

#ifdef HARMOFL_CHECKS
#define HARMOFL_CONTRACT_(kind, condition)                                                      \
  do {                                                                                          \
    if (!(condition)) ::harmofl::detail::contract_failed(kind, #condition, __FILE__, __LINE__); \
  } while (false)
#else
#define HARMOFL_CONTRACT_(kind, condition) static_cast<void>(sizeof(condition))
#endif

#define HARMOFL_EXPECT(condition) HARMOFL_CONTRACT_("precondition", condition)
#define HARMOFL_ASSERT(condition) HARMOFL_CONTRACT_("invariant", condition)
#define HARMOFL_ENSURE(condition) HARMOFL_CONTRACT_("postcondition", condition)
