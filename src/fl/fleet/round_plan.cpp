// SPDX-License-Identifier: Apache-2.0
// The rules of docs/guides/heterogeneity.md, by their numbers.
#include "fl/fleet/round_plan.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace harmofl {
namespace {

constexpr double bits_per_byte = 8.0;
constexpr double bits_per_mbit = 1e6;

/// The random numbers of a client in a round, uniform in [0, 1). Every number is drawn whether or
/// not it is used, so that switching one cause of loss on leaves the others' victims as they are.
struct ClientDraws {
  double availability;
  double drop_before;
  double drop_after;
  double order;  ///< Among reports of the same time.
};

/// All that a plan is a function of.
struct RoundInputs {
  const CohortOptions& cohort;
  const Fleet& fleet;
  const RoundWork& work;
  std::uint64_t seed;
  RoundId round;

  ClientDraws draws(ClientId client) const {
    RngStream rng(seed, round, client, RngPurpose::fleet);
    return {rng.uniform(), rng.uniform(), rng.uniform(), rng.uniform()};
  }
  bool is_there(ClientId client) const {
    const double availability = fleet[client].availability;
    return availability >= 1.0 || draws(client).availability < availability;
  }
  std::vector<ClientId> sample(const std::vector<ClientId>& available) const {
    return sample_cohort(cohort, work.samples, available, seed, round);
  }
};

/// An invited client that trains to the end, unless the round ends before.
struct Runner {
  ClientId client;
  double time_s;  ///< When its report comes in, or is missed.
  double order;
  bool reports;

  bool operator<(const Runner& other) const {
    return std::tie(time_s, order, client) < std::tie(other.time_s, other.order, other.client);
  }
};

double message_time_s(const DeviceProfile& device, std::int64_t bytes) {
  return device.latency_s +
         static_cast<double>(bytes) * bits_per_byte / (device.bandwidth_mbit_s * bits_per_mbit);
}

/// Rules 1 and 2: who is there, and who of them is invited. Ascending.
std::vector<ClientId> invite(const RoundInputs& in, RoundPlan& plan) {
  const std::int64_t count = in.fleet.size();
  std::vector<ClientId> clients;
  clients.reserve(static_cast<std::size_t>(count));
  for (ClientId client{0}; client.value() < count; ++client) clients.push_back(client);
  // Whether the cohort is known before it is known who is there.
  const bool by_name =
      in.cohort.sampling == Sampling::fixed || invited_count(in.cohort, count) == count;
  if (by_name) clients = in.sample(clients);
  std::erase_if(clients, [&](ClientId client) {
    if (in.is_there(client)) return false;
    if (by_name) plan.lost.emplace_back(client, DropReason::unavailable);
    return true;
  });
  return by_name ? clients : in.sample(clients);
}

struct Started {
  std::vector<Runner> runners;
  double last_failure_s = 0.0;  ///< When the last of those failed who train nothing.
};

/// Rules 3 to 5: who would train to the end.
Started start(const RoundInputs& in, const std::vector<ClientId>& invited, RoundPlan& plan) {
  const FleetOptions& options = in.fleet.options();
  Started started;
  started.runners.reserve(invited.size());
  for (const ClientId client : invited) {
    const DeviceProfile& device = in.fleet[client];
    const ClientDraws draws = in.draws(client);
    const double time_s = report_time_s(device, options, in.work, client);
    HARMOFL_VALIDATE(std::isfinite(time_s), "client ", client,
                     ", counted from 0 as in fleet.csv, would take ", time_s,
                     " simulated seconds for a round. Correct its speed and bandwidth, or ",
                     "fleet.sample_time.");
    if (draws.drop_before < options.drop_before) {
      plan.lost.emplace_back(client, DropReason::dropped_before);
      started.last_failure_s =
          std::max(started.last_failure_s, message_time_s(device, in.work.download_bytes));
    } else if (options.deadline_s > 0.0 && time_s > options.deadline_s) {
      plan.lost.emplace_back(client, DropReason::straggler);
    } else {
      const bool reports = draws.drop_after >= options.drop_after;
      started.runners.push_back({client, time_s, draws.order, reports});
    }
  }
  return started;
}

/// Rules 6 to 8: who reports, until `needed` have.
void finish(Started started, std::size_t needed, double deadline_s, RoundPlan& plan) {
  std::sort(started.runners.begin(), started.runners.end());
  for (const Runner& runner : started.runners) {
    if (plan.counted.size() == needed) {
      plan.lost.emplace_back(runner.client, DropReason::surplus);
      continue;
    }
    plan.simulated_s = runner.time_s;
    if (runner.reports) {
      plan.counted.push_back(runner.client);
    } else {
      plan.wasted.push_back(runner.client);
      plan.lost.emplace_back(runner.client, DropReason::dropped_after);
    }
  }
  if (plan.counted.size() < needed) {
    plan.simulated_s =
        deadline_s > 0.0 ? deadline_s : std::max(plan.simulated_s, started.last_failure_s);
  }
  std::ranges::sort(plan.counted);
  std::ranges::sort(plan.wasted);
}

}  // namespace

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::unavailable:
      return "unavailable";
    case DropReason::dropped_before:
      return "dropped_before";
    case DropReason::straggler:
      return "straggler";
    case DropReason::dropped_after:
      return "dropped_after";
    default:
      return "surplus";
  }
}

double report_time_s(const DeviceProfile& device, const FleetOptions& options,
                     const RoundWork& work, ClientId client) {
  const auto samples = static_cast<double>(work.samples[client.position()]);
  // latency + download + training + latency + upload
  return message_time_s(device, work.download_bytes) +
         samples * options.sample_time_s / device.speed + message_time_s(device, work.upload_bytes);
}

RoundPlan plan_round(const CohortOptions& cohort, const Fleet& fleet, const RoundWork& work,
                     std::uint64_t seed, RoundId round) {
  HARMOFL_EXPECT(static_cast<std::int64_t>(work.samples.size()) == fleet.size());
  const RoundInputs in{cohort, fleet, work, seed, round};
  RoundPlan plan;
  std::vector<ClientId> invited = invite(in, plan);
  const auto wanted = static_cast<std::size_t>(wanted_count(cohort, fleet.size()));
  if (!fleet.options().active() && invited.size() <= wanted) {
    plan.counted = std::move(invited);  // nothing can happen to anyone
    return plan;
  }
  finish(start(in, invited, plan), std::min(wanted, invited.size()), fleet.options().deadline_s,
         plan);
  std::ranges::sort(plan.lost);
  return plan;
}

}  // namespace harmofl
