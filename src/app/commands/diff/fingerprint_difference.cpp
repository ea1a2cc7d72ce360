// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/fingerprint_difference.hpp"

#include "harmofl/base/text.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace harmofl {
namespace {

using Hashes = std::vector<std::string>;

/// "encoder.0.weight [4, 3, 3, 3]"
std::string head_text(const TensorHead& head) {
  std::vector<std::string> axes;
  for (const std::int64_t axis : head.shape) axes.push_back(concat(axis));
  return concat(head.name, " [", join(axes), "]");
}

DifferingTensors differing(const std::vector<TensorHead>& heads, const Hashes& a, const Hashes& b) {
  DifferingTensors found{.of = heads.size()};
  for (std::size_t i = 0; i < heads.size(); ++i) {
    if (a[i] != b[i]) found.names.push_back(head_text(heads[i]));
  }
  return found;
}

DifferingTensors differing(const NamedFingerprints& a, const NamedFingerprints& b) {
  std::set<std::string> names;
  for (const NamedFingerprints& kept : {a, b}) {
    for (const auto& item : kept) names.insert(item.first);
  }
  DifferingTensors found{.of = names.size()};
  for (const std::string& name : names) {
    const auto left = a.find(name), right = b.find(name);
    if (left == a.end()) {
      found.names.push_back(name + " (in B alone)");
    } else if (right == b.end()) {
      found.names.push_back(name + " (in A alone)");
    } else if (left->second != right->second) {
      found.names.push_back(name);
    }
  }
  return found;
}

std::optional<DifferingClient> differing(const std::vector<TensorHead>& heads,
                                         const ClientFingerprints& a, const ClientFingerprints& b) {
  DifferingClient found{.site = a.site,
                        .kept_before = differing(a.kept_before, b.kept_before),
                        .model = differing(heads, a.model, b.model),
                        .kept = differing(a.kept, b.kept),
                        .weight_a = a.weight,
                        .weight_b = b.weight};
  const std::pair<WorkPart, bool> parts[] = {
      {WorkPart::kept_before, !found.kept_before.names.empty()},
      {WorkPart::batches, a.batches != b.batches},
      {WorkPart::model, !found.model.names.empty()},
      {WorkPart::extra, a.extra != b.extra},
      {WorkPart::kept, !found.kept.names.empty()},
      {WorkPart::weight, a.weight != b.weight}};
  for (const auto& [part, differs] : parts) {
    if (differs) found.parts.push_back(part);
  }
  if (found.parts.empty()) return std::nullopt;
  return found;
}

/// Names of `all` that `others` has not.
template <class Item, class Name>
std::vector<std::string> missing_in(const std::vector<Item>& others, const std::vector<Item>& all,
                                    const Name& name_of) {
  std::vector<std::string> found;
  for (const Item& item : all) {
    const bool there = std::ranges::any_of(
        others, [&](const Item& other) { return name_of(other) == name_of(item); });
    if (!there) found.push_back(name_of(item));
  }
  return found;
}

/// The average, which is not written where the server's step left it as it was.
const Hashes& average_of(const RoundFingerprints& round) {
  return round.average.empty() ? round.model : round.average;
}

std::optional<RoundDifference> differing_cohort(const RoundFingerprints& a,
                                                const RoundFingerprints& b) {
  const auto site = [](const ClientFingerprints& client) { return client.site; };
  RoundDifference found{.part = RoundPart::cohort,
                        .only_a = missing_in(b.clients, a.clients, site),
                        .only_b = missing_in(a.clients, b.clients, site)};
  const bool same_order = std::ranges::equal(a.clients, b.clients, {}, site, site);
  if (same_order) return std::nullopt;
  return found;
}

std::optional<RoundDifference> differing_clients(const RoundFingerprints& a,
                                                 const RoundFingerprints& b) {
  RoundDifference found{.part = RoundPart::clients};
  for (std::size_t i = 0; i < a.clients.size(); ++i) {
    if (auto client = differing(a.tensors, a.clients[i], b.clients[i])) {
      found.clients.push_back(std::move(*client));
    }
  }
  if (found.clients.empty()) return std::nullopt;
  return found;
}

}  // namespace

std::optional<RoundDifference> first_difference(const RoundFingerprints& a,
                                                const RoundFingerprints& b) {
  if (a.tensors != b.tensors) {
    return RoundDifference{.part = RoundPart::tensors,
                           .only_a = missing_in(b.tensors, a.tensors, head_text),
                           .only_b = missing_in(a.tensors, b.tensors, head_text)};
  }
  if (a.start != b.start) {
    return RoundDifference{.part = RoundPart::start,
                           .tensors = differing(a.tensors, a.start, b.start)};
  }
  if (auto cohort = differing_cohort(a, b)) return cohort;
  if (auto clients = differing_clients(a, b)) return clients;
  const Hashes &left = average_of(a), &right = average_of(b);
  if (left != right) {
    return RoundDifference{.part = RoundPart::average,
                           .tensors = differing(a.tensors, left, right)};
  }
  if (a.server != b.server) {
    return RoundDifference{.part = RoundPart::server, .tensors = differing(a.server, b.server)};
  }
  if (a.model != b.model) {
    return RoundDifference{.part = RoundPart::model,
                           .tensors = differing(a.tensors, a.model, b.model)};
  }
  return std::nullopt;
}

}  // namespace harmofl
