// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/number_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

namespace harmofl {
namespace {

/// `text` without what stands around it, and without a plus, which from_chars does not know.
std::string_view bare(std::string_view text) {
  constexpr std::string_view blank = " \t";
  const std::size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(blank) - first + 1);
  const bool plus = text.starts_with('+') && !text.starts_with("+-");
  return plus ? text.substr(1) : text;
}

template <class Number>
std::optional<Number> parse(std::string_view text) {
  text = bare(text);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  const std::optional<double> value = parse<double>(text);
  return value && std::isnan(*value) ? std::nullopt : value;
}

std::optional<std::int64_t> parse_whole(std::string_view text) { return parse<std::int64_t>(text); }

bool NumberRange::holds(double value) const {
  const bool not_below = least_included ? value >= least : value > least;
  const bool not_above = most_included ? value <= most : value < most;
  return std::isfinite(value) && not_below && not_above;
}

std::string NumberRange::text() const {
  const NumberRange all;
  const bool bounded_below = least > all.least;
  if (most < all.most) {
    return "a number from " + exact_text(least) + (most_included ? " to " : " to below ") +
           exact_text(most);
  }
  if (!bounded_below) return "a number";
  return (least_included ? "a number of at least " : "a number above ") + exact_text(least);
}

NumberRange above(double bound) { return {.least = bound, .least_included = false}; }
NumberRange at_least(double bound) { return {.least = bound}; }
NumberRange from_to(double least, double most) { return {.least = least, .most = most}; }
NumberRange from_to_below(double least, double end) {
  return {.least = least, .most = end, .most_included = false};
}

std::string WholeRange::text() const {
  const WholeRange all;
  if (most < all.most) {
    return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  }
  if (least == all.least) return "a whole number";
  return "a whole number of at least " + std::to_string(least);
}

std::string exact_text(double value) {
  std::array<char, 32> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end};
}

}  // namespace harmofl
