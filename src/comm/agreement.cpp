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
    return Failure{ExitCode::rank_failure, message_of(error)};
  } catch (...) {
    return Failure{ExitCode::rank_failure, "an exception of unknown type. This is a defect."};
  }
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

  const auto codes = all_gather_value(own ? own->code : ExitCode::done);
  const auto texts = all_gather(own ? own->text : std::string());
  const auto failed = [](ExitCode code) { return code != ExitCode::done; };
  const auto lowest = static_cast<std::size_t>(std::ranges::find_if(codes, failed) - codes.begin());
  const ExitCode code = codes[lowest];
  const std::string& text = texts[lowest];
  const bool all_alike =
      std::ranges::count(codes, code) == size() && std::ranges::count(texts, text) == size();
  throw_error(code, all_alike ? text : concat("rank ", lowest, ": ", text));
}

}  // namespace harmofl
