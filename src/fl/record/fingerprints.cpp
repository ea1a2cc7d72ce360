// SPDX-License-Identifier: Apache-2.0
#include "fl/record/fingerprints.hpp"

#include "harmofl/base/text.hpp"
#include "model/fingerprint.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string_view>

namespace harmofl {
namespace {

using nlohmann::json;

std::string parse_hash(const JsonValue& value) {
  const std::string text = value.text();
  constexpr std::string_view digits = "0123456789abcdef";
  const bool good = text.size() == 16 && text.find_first_not_of(digits) == std::string::npos;
  if (!good) value.fail(concat("expected 16 hexadecimal digits, found ", printable(text)));
  return text;
}

NamedFingerprints parse_named(const JsonValue& value) {
  NamedFingerprints found;
  for (const auto& [name, hash] : value.members()) found[name] = parse_hash(hash);
  return found;
}

/// A hash for each of `tensors` tensors.
std::vector<std::string> parse_model(const JsonValue& value, std::size_t tensors) {
  std::vector<std::string> found;
  for (const JsonValue& hash : value.items()) found.push_back(parse_hash(hash));
  if (found.size() != tensors) {
    value.fail(concat("expected ", tensors, " tensors, found ", found.size()));
  }
  return found;
}

TensorHead parse_head(const JsonValue& value) {
  const std::vector<JsonValue> parts = value.items();
  if (parts.size() != 2) value.fail("expected a name and a shape");
  TensorHead head{parts[0].text(), {}};
  for (const JsonValue& axis : parts[1].items()) head.shape.push_back(axis.whole({0}));
  return head;
}

}  // namespace

NamedFingerprints fingerprints(const NamedState& kept) {
  NamedFingerprints found;
  for (const std::string& name : kept.names()) found[name] = fingerprint(kept.get(name));
  return found;
}

std::vector<TensorHead> heads_of(const std::vector<Slot>& slots) {
  std::vector<TensorHead> heads;
  for (const Slot& slot : slots) heads.push_back({slot.name, slot.shape});
  return heads;
}

json to_json(const ClientFingerprints& client) {
  json line = {{"site", client.site},
               {"batches", client.batches},
               {"kept_before", client.kept_before},
               {"model", client.model},
               {"kept", client.kept}};
  if (client.weight) line["weight"] = *client.weight;
  if (!client.extra.empty()) line["extra"] = client.extra;
  return line;
}

json to_json(const RoundFingerprints& round) {
  json line = {{"round", round.round},     {"tensors", json::array()}, {"start", round.start},
               {"clients", json::array()}, {"server", round.server},   {"model", round.model}};
  for (const TensorHead& head : round.tensors) {
    line["tensors"].push_back(json::array({head.name, head.shape}));
  }
  for (const ClientFingerprints& client : round.clients) {
    line["clients"].push_back(to_json(client));
  }
  if (!round.average.empty()) line["average"] = round.average;
  return line;
}

ClientFingerprints parse_client_fingerprints(const JsonValue& value, std::size_t tensors) {
  ClientFingerprints client{.site = value.at("site").text()};
  if (const auto weight = value.find("weight")) client.weight = weight->finite();
  client.batches = parse_hash(value.at("batches"));
  client.kept_before = parse_named(value.at("kept_before"));
  client.model = parse_model(value.at("model"), tensors);
  if (const auto extra = value.find("extra")) client.extra = parse_hash(*extra);
  client.kept = parse_named(value.at("kept"));
  return client;
}

RoundFingerprints parse_fingerprints(const JsonValue& line) {
  RoundFingerprints round{.round = line.at("round").whole({0})};
  for (const JsonValue& head : line.at("tensors").items()) {
    round.tensors.push_back(parse_head(head));
  }
  const std::size_t tensors = round.tensors.size();
  round.start = parse_model(line.at("start"), tensors);
  for (const JsonValue& client : line.at("clients").items()) {
    round.clients.push_back(parse_client_fingerprints(client, tensors));
  }
  if (const auto average = line.find("average")) round.average = parse_model(*average, tensors);
  round.server = parse_named(line.at("server"));
  round.model = parse_model(line.at("model"), tensors);
  return round;
}

}  // namespace harmofl
