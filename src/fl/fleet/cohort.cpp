// SPDX-License-Identifier: Apache-2.0
#include "fl/fleet/cohort.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

namespace harmofl {
namespace {

using Keyed = std::pair<double, ClientId>;

/// A client's key in a round; the smallest are invited.
/// Weighted (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", Information
/// Processing Letters 97, 2006) the largest u^(1/n) are taken. -ln(u)/n orders the clients the
/// other way round, and does not run into 1 where n is large.
double key_of(ClientId client, Sampling sampling, std::int64_t samples, std::uint64_t seed,
              RoundId round) {
  const double u = RngStream(seed, round, client, RngPurpose::cohort).uniform();
  if (sampling != Sampling::weighted) return u;
  if (samples <= 0) return std::numeric_limits<double>::infinity();
  return -std::log1p(-u) / static_cast<double>(samples);  // 1 - u is uniform too, and never 0
}

/// The `count` clients of the smallest keys, ascending.
std::vector<ClientId> smallest(std::vector<Keyed> keyed, std::int64_t count) {
  const auto last = keyed.begin() + count;
  std::nth_element(keyed.begin(), last, keyed.end());
  std::vector<ClientId> chosen;
  chosen.reserve(static_cast<std::size_t>(count));
  for (auto entry = keyed.begin(); entry != last; ++entry) chosen.push_back(entry->second);
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace

void check(const CohortOptions& options, std::int64_t clients) {
  HARMOFL_VALIDATE(options.size >= 0 && options.size <= clients, "cohort.size = ", options.size,
                   ", but the run has ", clients, " clients. Set it from 1 to ", clients,
                   ", or to 0 for all.");
  HARMOFL_VALIDATE(options.over_sampling >= 1.0 && std::isfinite(options.over_sampling),
                   "cohort.over_sampling = ", options.over_sampling,
                   " would invite fewer clients than are wanted. Set it to 1 or more.");
}

std::int64_t wanted_count(const CohortOptions& options, std::int64_t clients) {
  return options.size == 0 ? clients : std::min(options.size, clients);
}

std::int64_t invited_count(const CohortOptions& options, std::int64_t clients) {
  const std::int64_t wanted = wanted_count(options, clients);
  const double exact = static_cast<double>(wanted) * options.over_sampling;
  // 50 x 1.1 is a little above 55 in binary, and means 55.
  const double invited = std::ceil(exact * (1.0 - 1e-12));
  return invited < static_cast<double>(clients) ? static_cast<std::int64_t>(invited) : clients;
}

std::vector<ClientId> sample_cohort(const CohortOptions& options,
                                    const std::vector<std::int64_t>& samples,
                                    const std::vector<ClientId>& available, std::uint64_t seed,
                                    RoundId round) {
  const auto clients = static_cast<std::int64_t>(samples.size());
  const std::int64_t count = invited_count(options, clients);
  if (count >= clients) return available;
  std::vector<Keyed> keyed;
  if (options.sampling == Sampling::fixed) {
    for (ClientId client{0}; client.value() < clients; ++client) {
      keyed.emplace_back(key_of(client, options.sampling, 0, seed, RoundId{0}), client);
    }
    const std::vector<ClientId> cohort = smallest(std::move(keyed), count);
    std::vector<ClientId> there;
    std::ranges::set_intersection(cohort, available, std::back_inserter(there));
    return there;
  }
  if (static_cast<std::int64_t>(available.size()) <= count) return available;
  for (const ClientId client : available) {
    const double key = key_of(client, options.sampling, samples[client.position()], seed, round);
    keyed.emplace_back(key, client);
  }
  return smallest(std::move(keyed), count);
}

}  // namespace harmofl
