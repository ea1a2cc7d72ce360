// SPDX-License-Identifier: Apache-2.0
// Sentences on what of a round differs first.
#include "app/commands/diff/difference_text.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>

namespace harmofl {
namespace {

/// "1 of 22 tensors, conv.weight [4, 3, 3, 3]", "3 of 22 tensors, conv.weight [..] first".
std::string tensors_text(const DifferingTensors& tensors) {
  const std::string count = concat(tensors.names.size(), " of ", tensors.of, " tensors");
  if (tensors.names.empty()) return count;
  return concat(count, ", ", printable(tensors.names.front()),
                tensors.names.size() > 1 ? " first" : "");
}

std::string weight_text(const std::optional<double>& weight) {
  return weight ? "counts " + exact_text(*weight) : "does not count";
}

std::string names_text(const std::vector<std::string>& names) {
  constexpr std::size_t few = 8;
  std::vector<std::string> shown_names;
  for (const std::string& name : names) {
    if (shown_names.size() < few) shown_names.push_back(printable(name));
  }
  const std::size_t more = names.size() - shown_names.size();
  return concat(join(shown_names), more > 0 ? concat(" and ", more, " more") : "");
}

/// "; in A alone: a, b; in B alone: c".
std::string alone_text(const RoundDifference& what) {
  return concat(what.only_a.empty() ? "" : "; in A alone: " + names_text(what.only_a),
                what.only_b.empty() ? "" : "; in B alone: " + names_text(what.only_b));
}

std::string cause_text(const DifferingClient& client) {
  const std::string who = concat("client ", printable(client.site));
  switch (client.parts.front()) {
    case WorkPart::kept_before:
      return concat(who, " had kept something else from its rounds before: ",
                    tensors_text(client.kept_before));
    case WorkPart::batches:
      return concat(who,
                    " trained on other batches (images, labels or their order), from the same ",
                    "model");
    case WorkPart::model:
      return concat(who, "'s model differs after its local training, though start and batches are ",
                    "the same: ", tensors_text(client.model));
    case WorkPart::extra:
      return concat(who, " sends something else beside its model, which is the same");
    case WorkPart::kept:
      return concat(who, " keeps something else for its next round, beside the same model: ",
                    tensors_text(client.kept));
    case WorkPart::weight:
      return concat(who, "'s update is the same, but ", weight_text(client.weight_a), " in A and ",
                    weight_text(client.weight_b), " in B");
  }
  return who;
}

/// "; its model then differs too: 22 of 22 tensors, ...", where that is not the cause itself.
std::string effect_text(const DifferingClient& client) {
  const bool later = client.parts.front() < WorkPart::model;
  if (!later) return "";
  if (client.model.names.empty()) return "; its model is the same all the same";
  return concat("; its model then differs too: ", tensors_text(client.model));
}

std::string clients_text(const RoundDifference& what) {
  const DifferingClient& main = main_client(what);
  std::vector<std::string> others;
  for (const DifferingClient& client : what.clients) {
    if (&client != &main) others.push_back(client.site);
  }
  return concat(cause_text(main), effect_text(main),
                others.empty() ? "" : concat(". Other clients differ too: ", names_text(others)));
}

std::string start_text(const DifferingRound& round) {
  const std::string tensors = tensors_text(round.what.tensors);
  if (!round.started_elsewhere.empty()) {
    return concat("the round began with another model, though the one before had ended with the ",
                  "same: ", round.started_elsewhere, " went on with something else than it had ",
                  "(a checkpoint that was changed, or another one): ", tensors);
  }
  if (round.round == 0) return concat("the runs begin with other models: ", tensors);
  return concat("this is the first round that both hashed, and its models differ from the start: ",
                tensors);
}

}  // namespace

const DifferingClient& main_client(const RoundDifference& difference) {
  return *std::ranges::min_element(
      difference.clients, {}, [](const DifferingClient& client) { return client.parts.front(); });
}

std::string what_differs(const DifferingRound& round) {
  const RoundDifference& what = round.what;
  switch (what.part) {
    case RoundPart::tensors:
      return "the models do not have the same tensors" + alone_text(what);
    case RoundPart::start:
      return start_text(round);
    case RoundPart::cohort:
      return what.only_a.empty() && what.only_b.empty()
                 ? "the same clients trained, but are numbered in another order"
                 : "other clients trained" + alone_text(what);
    case RoundPart::clients:
      return clients_text(what);
    case RoundPart::average:
      return "the update of every client is the same, but their average is not: " +
             tensors_text(what.tensors);
    case RoundPart::server:
      return "the average of the updates is the same, but what the method keeps at the server is "
             "not: " +
             tensors_text(what.tensors);
    case RoundPart::model:
      return "the average of the updates is the same, but the model that the round ended with is "
             "not: " +
             tensors_text(what.tensors);
  }
  return "";
}

}  // namespace harmofl
