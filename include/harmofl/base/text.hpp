// SPDX-License-Identifier: Apache-2.0
/// Small helpers that build messages. Nothing here formats numbers for files: JSON does that.
#pragma once

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

/// Joins the streamed form of every argument into one string.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Joins `items` with `separator` between them.
std::string join(const std::vector<std::string>& items, std::string_view separator = ", ");

/// Whether `text` is UTF-8 that a terminal only shows: without control characters, line ends, and
/// the marks that turn the direction of reading.
bool is_printable(std::string_view text);

/// `text` with every byte that is not printable as `\n`, `\r`, `\t` or `\x1B`, except those in
/// `kept`: for names and paths that others chose.
std::string printable(std::string_view text, std::string_view kept = "");

/// Returns the entry of `known` closest to `name` by edit distance, or "" when none is near.
std::string closest(std::string_view name, const std::vector<std::string>& known);

/// "`what` is unknown. Did you mean 'X'? Known: ...", with the entry of `known` nearest to `name`.
std::string unknown(const std::string& what, std::string_view name,
                    const std::vector<std::string>& known);

/// " Did you mean 'X'?", or "" when nothing in `known` is near: for messages that end otherwise.
std::string suggestion(std::string_view name, const std::vector<std::string>& known);

/// Formats a number of bytes with a binary unit, "1.5 GiB".
std::string human_bytes(double size_bytes);

/// Formats a duration, "2.4 s", "3 min 05 s", "1 h 12 min".
std::string human_seconds(double duration_s);

/// Formats `value` with `digits` places after the point.
std::string fixed(double value, int digits);

}  // namespace harmofl
