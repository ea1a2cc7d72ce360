// SPDX-License-Identifier: Apache-2.0
/// Numbers from text and back: the one parser of keys, options and tables. Whatever the locale, a
/// point separates the decimals.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace harmofl {

/// The number that all of `text` is, spaces and tabs around it aside: decimal or with an exponent,
/// after a sign or none, or "inf". Nothing for anything else: an empty text, further characters,
/// hexadecimal digits, NaN, a number too large or too small for a double.
std::optional<double> parse_number(std::string_view text);

/// The whole number that all of `text` is, spaces and tabs around it aside: digits after a sign or
/// none. Nothing for anything else: a point, an exponent, a number that int64 does not hold.
std::optional<std::int64_t> parse_whole(std::string_view text);

/// Finite numbers between two bounds.
struct NumberRange {
  double least = std::numeric_limits<double>::lowest();
  double most = std::numeric_limits<double>::max();
  bool least_included = true;
  bool most_included = true;

  bool holds(double value) const;
  /// "a number above 0", "a number from 0 to below 1": what stands after "is not" in an error.
  std::string text() const;
};

/// Numbers greater than `bound`; from `bound` on; from one to the other; likewise without the
/// other.
NumberRange above(double bound);
NumberRange at_least(double bound);
NumberRange from_to(double least, double most);
NumberRange from_to_below(double least, double end);

/// Whole numbers from `least` to `most`.
struct WholeRange {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();

  bool holds(std::int64_t value) const { return value >= least && value <= most; }
  /// "a whole number of at least 1", "a whole number from 0 to 9".
  std::string text() const;
};

/// The shortest text that `parse_number` turns into `value` again, to the bit.
std::string exact_text(double value);

}  // namespace harmofl
