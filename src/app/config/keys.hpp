// SPDX-License-Identifier: Apache-2.0
/// The table of configuration keys.
#pragma once

#include "app/config/key.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

struct RunOptions;

/// Every key, in the order of the documentation; their texts set the options of `run`, which must
/// outlive the table.
std::vector<Key> keys_of(RunOptions& run);

/// Every key, to look at.
const std::vector<Key>& config_keys();

/// A key that is no more.
struct FormerKey {
  std::string name;
  std::string successor;
};

/// Keys of earlier versions. Their default `auto`, which configurations of that time hold, is
/// still read.
const std::vector<FormerKey>& former_keys();

/// The remark for an unknown key: " Did you mean 'run.rounds'?" with all keys whose last part is
/// that of `name`, else the nearest; "" when none is near.
std::string suggested_keys(std::string_view name);

}  // namespace harmofl
