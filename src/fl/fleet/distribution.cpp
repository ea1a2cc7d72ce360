// SPDX-License-Identifier: Apache-2.0
#include "fl/fleet/distribution.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace harmofl {
namespace {

constexpr const char* forms =
    "Write a number, const:C, uniform:LOW,HIGH, lognormal:MU,SIGMA or choice:A,B,...";

/// The numbers between the commas of `list`; `said` is what begins an error's message.
std::vector<double> numbers_of(std::string_view list, const std::string& said) {
  std::vector<double> numbers;
  while (true) {
    const std::size_t comma = list.find(',');
    const std::optional<double> number = parse_number(list.substr(0, comma));
    HARMOFL_VALIDATE(number, said, "'", list.substr(0, comma), "' is not a number. ", forms);
    numbers.push_back(*number);
    if (comma == std::string_view::npos) return numbers;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

Distribution::Distribution(const DevicePropertyInfo& property, const std::string& text) {
  const std::string said = concat(property.key, " = ", text, ": ");
  const std::size_t colon = text.find(':');
  const bool named = colon != std::string::npos;
  const std::string name = named ? text.substr(0, colon) : "const";
  const std::vector<std::string> names{"const", "uniform", "lognormal", "choice"};
  HARMOFL_VALIDATE(std::ranges::find(names, name) != names.end(), said,
                   unknown(concat("the distribution '", name, "'"), name, names), " ", forms);
  numbers_ = numbers_of(std::string_view(text).substr(named ? colon + 1 : 0), said);

  const bool pair = name == "uniform" || name == "lognormal";
  HARMOFL_VALIDATE(name == "choice" || numbers_.size() == (pair ? 2U : 1U), said, name, " takes ",
                   pair ? "two numbers" : "one number", ", not ", numbers_.size(), ". ", forms);
  if (name == "lognormal") {
    kind_ = Kind::lognormal;
    HARMOFL_VALIDATE(std::isfinite(numbers_[0]) && std::isfinite(numbers_[1]) && numbers_[1] >= 0.0,
                     said, "mean and deviation must be finite, the deviation not negative. ",
                     forms);
    HARMOFL_VALIDATE(property.max > 1.0, said, "may draw a number that is not ", property.range,
                     ". Take another distribution.");
    return;
  }
  for (const double number : numbers_) {
    HARMOFL_VALIDATE(in_range(property, number), said, exact_text(number), " is not ",
                     property.range, ". Change it.");
  }
  if (name == "uniform") {
    kind_ = Kind::uniform;
    HARMOFL_VALIDATE(std::isfinite(numbers_[1]) && numbers_[0] <= numbers_[1], said,
                     "the bounds must be finite, the lower one first. ", forms);
  }
}

double Distribution::draw(RngStream& rng) const {
  switch (kind_) {
    case Kind::uniform:
      return rng.uniform(numbers_[0], numbers_[1]);
    case Kind::lognormal:
      // Within what a double holds, so that no device is infinitely fast or slow.
      return std::clamp(std::exp(numbers_[0] + numbers_[1] * rng.normal()),
                        std::numeric_limits<double>::min(), std::numeric_limits<double>::max());
    default:
      return numbers_[rng.below(static_cast<std::uint32_t>(numbers_.size()))];
  }
}

}  // namespace harmofl
