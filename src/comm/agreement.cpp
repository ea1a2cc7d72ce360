// SPDX-License-Identifier: Apache-2.0
// How an error of one rank becomes the error of all of them.
#include "comm/communicator.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

struct Failure {
  ExitCode code;
  std::string text;
};

std::optional<Failure> run_and_catch(const std::function<void()>& work) {
  try {
    work();
    return std::nullopt;
  } catch (const Error& error) {
    return Failure{error.exit_code(), error.what()};
  } catch (const std::exception& error) {
    return Failure{ExitCode::rank_failure, error.what()};
  } catch (...) {
    return Failure{ExitCode::rank_failure, "an exception of unknown type. This is a defect."};
  }
}

/// "" for success; otherwise the exit code as one byte, then the text.
std::string pack(const std::optional<Failure>& failure) {
  if (!failure) return {};
  return std::string(1, static_cast<char>(failure->code)) + failure->text;
}

template <class Kind>
[[noreturn]] void throw_everywhere(Kind error) {
  error.mark_on_every_rank();
  throw error;
}

[[noreturn]] void throw_error(ExitCode code, const std::string& text) {
  switch (code) {
    case ExitCode::user_error:
      throw_everywhere(UserError(text));
    case ExitCode::usage:
      throw_everywhere(UsageError(text));
    case ExitCode::rank_failure:
      throw_everywhere(RankFailure(text));
    default:
      throw_everywhere(Error(code, text));
  }
}

}  // namespace

void Communicator::agree(const std::function<void()>& work) const {
  if (size() == 1) return work();
  const std::optional<Failure> own = run_and_catch(work);
  if (!any(own.has_value())) return;

  const std::vector<std::string> reports = all_gather(pack(own));
  const auto lowest = std::find_if(reports.begin(), reports.end(),
                                   [](const std::string& report) { return !report.empty(); });
  const bool all_alike = std::count(reports.begin(), reports.end(), *lowest) == size();
  const auto code = static_cast<ExitCode>(lowest->front());
  const std::string text = lowest->substr(1);
  throw_error(code, all_alike ? text : concat("rank ", lowest - reports.begin(), ": ", text));
}

}  // namespace harmofl
