// SPDX-License-Identifier: Apache-2.0
#include "base/energy/energy_meter.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

using testing::DoubleEq;
using testing::Pair;
using testing::UnorderedElementsAre;

/// Gives what a function gives.
class Counter final : public EnergySource {
 public:
  explicit Counter(std::function<double()> next, double every_s = 0.0)
      : next_(std::move(next)), every_s_(every_s) {}
  std::string name() const override { return "counter"; }
  double joules() override { return next_(); }
  double read_every_s() const override { return every_s_; }

 private:
  std::function<double()> next_;
  double every_s_;
};

SharedEnergy shared_source(const std::string& kind, std::function<double()> next,
                           double share = 1.0) {
  return {kind, std::make_unique<Counter>(std::move(next)), share};
}

/// A source that is given joules by hand.
struct Device {
  double used = 0.0;
  std::function<double()> read() {
    return [this] { return std::exchange(used, 0.0); };
  }
};

std::vector<SharedEnergy> only_source(SharedEnergy first) {
  std::vector<SharedEnergy> sources;
  sources.push_back(std::move(first));
  return sources;
}

TEST(EnergyMeter, gives_joules_to_the_phase_they_are_used_in) {
  Device cpu;
  EnergyMeter meter(only_source(shared_source("cpu", cpu.read())));
  PhaseTimes times;
  times.tell(&meter);
  cpu.used = 1.0;
  {
    const auto train = times.measure("train");
    cpu.used = 20.0;
    {
      const auto save = times.measure("save");
      cpu.used = 300.0;
    }
    cpu.used = 4000.0;
  }
  cpu.used = 50000.0;
  EXPECT_THAT(meter.take(), UnorderedElementsAre(Pair("cpu/other", DoubleEq(50001.0)),
                                                 Pair("cpu/train", DoubleEq(4020.0)),
                                                 Pair("cpu/save", DoubleEq(300.0))));
}

TEST(EnergyMeter, begins_anew_after_a_take_and_goes_on_within_a_phase) {
  Device cpu;
  EnergyMeter meter(only_source(shared_source("cpu", cpu.read())));
  meter.begin_phase("train");
  cpu.used = 1.0;
  EXPECT_THAT(meter.take(), UnorderedElementsAre(Pair("cpu/other", 0.0), Pair("cpu/train", 1.0)));
  cpu.used = 2.0;
  meter.end_phase();
  EXPECT_THAT(meter.take(), UnorderedElementsAre(Pair("cpu/other", 0.0), Pair("cpu/train", 2.0)));
}

TEST(EnergyMeter, counts_a_share_and_each_kind_by_itself) {
  Device cpu, gpu;
  std::vector<SharedEnergy> sources = only_source(shared_source("cpu", cpu.read(), 0.25));
  sources.push_back(shared_source("gpu", gpu.read(), 0.5));
  EnergyMeter meter(std::move(sources));
  cpu.used = 8.0;
  gpu.used = 100.0;
  EXPECT_THAT(meter.take(), UnorderedElementsAre(Pair("cpu/other", 2.0), Pair("gpu/other", 50.0)));
}

TEST(EnergyMeter, tells_no_number_once_a_counter_has_failed) {
  bool fails = false;
  int asked = 0;
  Device gpu;
  std::vector<SharedEnergy> sources = only_source(shared_source("cpu", [&] {
    ++asked;
    if (fails) throw NoEnergy("the counter is gone");
    return 1.0;
  }));
  sources.push_back(shared_source("gpu", gpu.read()));
  EnergyMeter meter(std::move(sources));
  EXPECT_EQ(meter.take().at("cpu/other"), 1.0);
  fails = true;
  gpu.used = 7.0;
  testing::internal::CaptureStderr();
  std::map<std::string, double> taken = meter.take();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("joules of cpu from now on: not available: the counter is gone."));
  EXPECT_TRUE(std::isnan(taken.at("cpu/other")));
  EXPECT_EQ(taken.at("gpu/other"), 7.0);
  fails = false;  // what it missed stays unknown
  EXPECT_TRUE(std::isnan(meter.take().at("cpu/other")));
  EXPECT_EQ(asked, 2);
}

TEST(EnergyMeter, reads_by_itself_where_a_counter_could_go_round) {
  std::atomic<int> asked = 0;
  const auto next = [&] {
    ++asked;
    return 1.0;
  };
  EnergyMeter meter(only_source({"cpu", std::make_unique<Counter>(next, 1e-3), 1.0}));
  while (asked < 5) std::this_thread::yield();
  EXPECT_GE(meter.take().at("cpu/other"), 6.0);
}

}  // namespace
}  // namespace harmofl
