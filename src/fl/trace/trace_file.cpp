// SPDX-License-Identifier: Apache-2.0
#include "fl/trace/trace_file.hpp"

#include "fl/trace/trace_text.hpp"
#include "harmofl/base/error.hpp"
#include "io/formats/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace harmofl {
namespace {

constexpr const char* trace_remedy = "Move the file away, then --resume: the trace begins anew.";
constexpr double most_us = 4e15;  // some 120 years

/// The number of a member; 0 where the line has none. Quotes within texts have a backslash before
/// them, so that no text holds what is looked for.
std::optional<double> number_of(std::string_view line, std::string_view member) {
  const std::size_t at = line.find(member);
  if (at == std::string_view::npos) return 0.0;
  double value = 0.0;
  const char* const first = line.data() + at + member.size();
  const auto [end, error] = std::from_chars(first, line.data() + line.size(), value);
  if (error != std::errc() || !(std::abs(value) <= most_us)) return std::nullopt;
  return value;
}

/// The Unix time that the first event tells.
std::int64_t start_of(const std::string& line, const std::string& place) {
  try {
    const auto event = parse_json(line, max_json_depth);
    const JsonValue found(event, place, trace_remedy);
    return found.at("args").at("unix_us").whole({0});
  } catch (const JsonError& error) {
    throw UserError(concat(place, " ", error.what(), ". ", trace_remedy));
  }
}

}  // namespace

TraceEnd find_trace_end(const std::filesystem::path& path) {
  std::ifstream file(path);
  TraceEnd found;
  std::string line;
  std::int64_t number = 0;
  double last_us = 0.0;
  while (std::getline(file, line) && !file.eof()) {
    const std::string place = concat(path.string(), ":", ++number);
    const auto refuse = [&] {
      throw UserError(concat(place, ": is not a line of a trace that a run wrote. ", trace_remedy));
    };
    if (number == 1 && line != "[") refuse();
    if (number == 2) found.unix_us = start_of(line, place);
    if (number > 2 && line == "]" && file.peek() == std::ifstream::traits_type::eof()) break;
    if (number > 2 && !(line.starts_with(",{") && line.ends_with('}'))) refuse();
    const auto begin = number_of(line, "\"ts\":"), length = number_of(line, "\"dur\":");
    if (!begin || !length) refuse();
    last_us = std::max(last_us, *begin + *length);
    found.bytes += std::ssize(line) + 1;
  }
  HARMOFL_VALIDATE(number >= 2, path.string(), ": is not a trace that a run wrote. ", trace_remedy);
  found.last_us = static_cast<std::int64_t>(std::ceil(last_us));
  return found;
}

}  // namespace harmofl
