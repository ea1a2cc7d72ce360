// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/difference_text.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace harmofl {
namespace {

using Object = nlohmann::ordered_json;

const char* name_of(WorkPart part) {
  switch (part) {
    case WorkPart::kept_before:
      return "kept_before";
    case WorkPart::batches:
      return "batches";
    case WorkPart::model:
      return "model";
    case WorkPart::extra:
      return "extra";
    case WorkPart::kept:
      return "kept";
    case WorkPart::weight:
      return "weight";
  }
  return "";
}

const char* name_of(RoundPart part) {
  switch (part) {
    case RoundPart::tensors:
      return "tensors";
    case RoundPart::start:
      return "start";
    case RoundPart::cohort:
      return "cohort";
    case RoundPart::clients:
      return "clients";
    case RoundPart::average:
      return "average";
    case RoundPart::server:
      return "server";
    case RoundPart::model:
      return "model";
  }
  return "";
}

Object number_or_null(const std::optional<double>& value) {
  return value ? Object(*value) : Object(nullptr);
}

Object client_json(const DifferingClient& client) {
  Object found{{"site", client.site}, {"differs", Object::array()}};
  for (const WorkPart part : client.parts) found["differs"].push_back(name_of(part));
  found["kept_before"] = client.kept_before.names;
  found["model"] = client.model.names;
  found["kept"] = client.kept.names;
  found["weight"] = {number_or_null(client.weight_a), number_or_null(client.weight_b)};
  return found;
}

Object computed_json(const DifferingRound& round) {
  Object found{{"round", round.round},
               {"part", name_of(round.what.part)},
               {"tensors", round.what.tensors.names},
               {"only_a", round.what.only_a},
               {"only_b", round.what.only_b},
               {"clients", Object::array()},
               {"text", what_differs(round)}};
  for (const DifferingClient& client : round.what.clients) {
    found["clients"].push_back(client_json(client));
  }
  return found;
}

Object measured_json(const DifferingScores& measured) {
  Object found{{"round", measured.round}, {"numbers", Object::array()}};
  for (const ScoreDifference& score : measured.scores) {
    found["numbers"].push_back({{"name", score.name}, {"a", score.a}, {"b", score.b}});
  }
  return found;
}

Object tensor_json(const TensorDifference& tensor) {
  return {{"tensor", tensor.name},
          {"shape", tensor.shape},
          {"elements", tensor.elements},
          {"differing", tensor.differing},
          {"largest", tensor.largest},
          {"largest_relative", tensor.largest_relative},
          {"largest_steps", tensor.largest_ulps},
          {"not_finite", tensor.not_finite},
          {"first", {{"element", tensor.first}, {"a", tensor.first_a}, {"b", tensor.first_b}}}};
}

Object side_json(const RunSide& side) {
  return {{"folder", side.folder.string()}, {"rounds", side.rounds}, {"ranks", side.ranks}};
}

}  // namespace

Object difference_json(const std::vector<FactDifference>& facts) {
  Object found = Object::array();
  for (const FactDifference& fact : facts) {
    found.push_back(
        {{"name", fact.name}, {"a", fact.a}, {"b", fact.b}, {"can_change_rounds", fact.matters}});
  }
  return found;
}

Object difference_json(const CheckpointDifference& difference) {
  Object found{{"alike", difference.alike()},     {"a", difference.a.string()},
               {"b", difference.b.string()},      {"rounds_a", difference.rounds_a},
               {"rounds_b", difference.rounds_b}, {"facts", difference_json(difference.facts)},
               {"groups", Object::array()}};
  for (const GroupDifference& group : difference.groups) {
    Object tensors = Object::array();
    for (const TensorDifference& tensor : group.differing) tensors.push_back(tensor_json(tensor));
    found["groups"].push_back({{"group", group.group},
                               {"tensors", group.tensors},
                               {"differing", tensors},
                               {"only_a", group.only_a},
                               {"only_b", group.only_b}});
  }
  return found;
}

Object difference_json(const RunDifference& d) {
  const auto round = d.first_round();
  return {{"alike", d.alike()},
          {"a", side_json(d.a)},
          {"b", side_json(d.b)},
          {"configuration", difference_json(d.config)},
          {"provenance", difference_json(d.provenance)},
          {"rounds_compared", d.common},
          {"rounds_hashed_by_both", d.fingerprinted},
          {"first_round", round ? Object(*round) : Object(nullptr)},
          {"computed", d.computed ? computed_json(*d.computed) : Object(nullptr)},
          {"measured", d.measured ? measured_json(*d.measured) : Object(nullptr)},
          {"saved", d.saved.first_other ? difference_json(*d.saved.first_other) : Object(nullptr)},
          {"commands", d.alike() ? std::vector<std::string>{} : commands_to_look_closer(d)},
          {"notes", d.notes}};
}

}  // namespace harmofl
