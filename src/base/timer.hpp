// SPDX-License-Identifier: Apache-2.0
/// Wall-clock time, in seconds.
#pragma once

#include "base/range.hpp"

#include <chrono>
#include <map>
#include <string>
#include <utility>

namespace harmofl {

/// Measures the time since its construction or last reset.
class Stopwatch {
 public:
  void reset() { start_ = Clock::now(); }
  double elapsed_s() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// Who is told of the begin and the end of phases, which nest.
class PhaseListener {
 public:
  virtual ~PhaseListener() = default;
  virtual void begin_phase(const std::string& name) = 0;
  virtual void end_phase() = 0;
};

/// Adds up the time that named phases take.
class PhaseTimes {
 public:
  /// Adds the lifetime of the returned object to phase `name`.
  class Scope {
   public:
    Scope(PhaseTimes& times, std::string name)
        : times_(times), name_(std::move(name)), range_(name_.c_str()) {
      if (times_.listener_ != nullptr) times_.listener_->begin_phase(name_);
    }
    ~Scope() {
      times_.seconds_[name_] += watch_.elapsed_s();
      if (times_.listener_ != nullptr) times_.listener_->end_phase();
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    PhaseTimes& times_;
    std::string name_;
    Range range_;  ///< Of the same name.
    Stopwatch watch_;
  };

  /// Tells `listener` as well from now on, or nobody; outside of all phases. It must outlive them.
  void tell(PhaseListener* listener) { listener_ = listener; }

  Scope measure(std::string name) { return {*this, std::move(name)}; }
  /// Adds what an earlier part of the same work took.
  void add(const std::map<std::string, double>& seconds) {
    for (const auto& [name, value] : seconds) seconds_[name] += value;
  }
  const std::map<std::string, double>& seconds() const { return seconds_; }
  /// What was added since `seconds()` returned `before`.
  std::map<std::string, double> since(const std::map<std::string, double>& before) const {
    std::map<std::string, double> added;
    for (const auto& [name, value] : seconds_) {
      const auto found = before.find(name);
      added[name] = found == before.end() ? value : value - found->second;
    }
    return added;
  }

 private:
  std::map<std::string, double> seconds_;
  PhaseListener* listener_ = nullptr;
};

}  // namespace harmofl
