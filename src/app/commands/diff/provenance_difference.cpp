// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/fact_difference.hpp"
#include "harmofl/base/text.hpp"
#include "harmofl/io/shard.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace harmofl {
namespace {

/// Facts of one run in order; whether each can change what a round computes.
struct Facts {
  std::vector<std::string> names = {};
  std::map<std::string, std::pair<std::string, bool>> values = {};

  void add(const std::string& name, const std::string& value, bool matters = true) {
    if (values.insert({name, {value, matters}}).second) names.push_back(name);
  }
};

/// "a, b": the distinct values of member `key` over the ranks, where any rank has it.
std::string over_the_ranks(const std::vector<JsonValue>& ranks, const std::string& key) {
  std::set<std::string> distinct;
  for (const JsonValue& rank : ranks) {
    const auto value = rank.find(key);
    if (value)
      distinct.insert(key == "threads" || key == "lanes" ? concat(value->whole({0}))
                                                         : value->text());
  }
  return join({distinct.begin(), distinct.end()});
}

void add_shards(const JsonValue& run, Facts& facts) {
  std::vector<std::string> sites;
  const std::vector<JsonValue> shards = run.at("shards").items();
  for (const JsonValue& shard : shards) sites.push_back(shard.at("site").text());
  facts.add("sites", join(sites));
  for (std::size_t i = 0; i < shards.size(); ++i) {
    for (const Split split : all_splits) {
      const std::string name(to_string(split));
      const JsonValue samples = shards[i].at(name);
      facts.add(
          concat("data of ", sites[i], ", ", name),
          concat(samples.at("samples").whole({0}), " samples, xxh3 ", samples.at("xxh3").text()));
    }
    facts.add(concat("shard of ", sites[i]), shards[i].at("path").text(), false);
  }
}

void add_accepted_changes(const JsonValue& run, Facts& facts) {
  std::vector<std::string> changes;
  const auto accepted = run.find("accepted_changes");
  if (!accepted) return;
  for (const JsonValue& change : accepted->items()) {
    changes.push_back(concat("other data after ", change.at("rounds_done").whole({0}), " rounds"));
  }
  facts.add("accepted changes", join(changes));
}

void add_program(const JsonValue& run, Facts& facts) {
  const JsonValue program = run.at("harmofl");
  facts.add("version", program.at("version").text());
  facts.add("commit", program.at("git_commit").text());
  facts.add("build type", program.at("build_type").text());
  facts.add("compiler", program.at("compiler").text());
  facts.add("CUDA", program.at("cuda").boolean() ? "yes" : "no");
  for (const auto& [name, version] : run.at("libraries").members()) {
    facts.add("library " + name, version.text());
  }
}

void add_machine(const JsonValue& run, bool exact, Facts& facts) {
  const std::vector<JsonValue> ranks = run.at("ranks").items();
  facts.add("ranks", concat(ranks.size()), !exact);
  facts.add("device", over_the_ranks(ranks, "device"));
  facts.add("processor", over_the_ranks(ranks, "processor"));
  facts.add("threads a lane", over_the_ranks(ranks, "threads"));
  facts.add("lanes", over_the_ranks(ranks, "lanes"), false);
  facts.add("host", over_the_ranks(ranks, "host"), false);
}

Facts facts_of_run(const JsonValue& run, bool exact) {
  Facts facts;
  add_shards(run, facts);
  add_accepted_changes(run, facts);
  add_program(run, facts);
  add_machine(run, exact, facts);
  return facts;
}

}  // namespace

std::vector<FactDifference> provenance_differences(const JsonValue& a, const JsonValue& b,
                                                   bool exact) {
  Facts left = facts_of_run(a, exact);
  const Facts right = facts_of_run(b, exact);
  for (const std::string& name : right.names) {  // that only the other has
    left.add(name, "", right.values.at(name).second);
  }
  std::vector<FactDifference> found;
  for (const std::string& name : left.names) {
    const auto& [value, matters] = left.values.at(name);
    const auto other = right.values.find(name);
    const std::string second = other == right.values.end() ? "" : other->second.first;
    if (value == second) continue;
    // Older versions do not say the processor, which then may have been the same.
    const bool known = name != "processor" || (!value.empty() && !second.empty());
    found.push_back({name, value, second, matters && known});
  }
  return found;
}

}  // namespace harmofl
