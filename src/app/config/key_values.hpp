// SPDX-License-Identifier: Apache-2.0
/// Values that keys of this program alone take; those of any table of keys are in key.hpp.
#pragma once

#include "app/config/key.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "model/measures/losses.hpp"

#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// A number in the range; none for auto.
KeyValue auto_or_number(std::optional<double>& option, const NumberRange& range,
                        const std::string& name);

/// Names of measures.
KeyValue measure_names(std::vector<std::string>& option);

/// The name of a measure; "" for auto.
KeyValue measure_name(std::string& option);

/// Names between commas, blanks around them left out.
KeyValue names_of_sites(std::vector<std::string>& option);

/// none, frequency, or a number for each class.
KeyValue class_weights(LossOptions& loss);

/// Keeps the value of a method's own key; `auto` is that of a key of another method.
KeyValue method_value(AlgorithmValues& values, const std::string& name);

}  // namespace harmofl
