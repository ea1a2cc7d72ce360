// SPDX-License-Identifier: Apache-2.0
/// Counters of joules.
#pragma once

#include "harmofl/base/error.hpp"

#include <string>

namespace harmofl {

/// Why the joules of a device cannot be had, and what to do about it.
class NoEnergy : public UserError {
 public:
  using UserError::UserError;
};

/// What some device has used.
class EnergySource {
 public:
  virtual ~EnergySource() = default;

  /// "package-0, dram of package-0", for people.
  virtual std::string name() const = 0;
  /// Joules since the source was opened, or the last call. Throws NoEnergy where the counter can no
  /// longer be read.
  virtual double joules() = 0;
  /// Seconds after which the counter may have gone round without anyone seeing it; 0: it does not.
  virtual double read_every_s() const = 0;
};

}  // namespace harmofl
