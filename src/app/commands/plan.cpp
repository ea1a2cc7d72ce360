// SPDX-License-Identifier: Apache-2.0
#include "app/commands/plan.hpp"

#include "harmofl/base/text.hpp"
#include "model/measures/measure_table.hpp"

#include <nlohmann/json.hpp>

namespace harmofl {
namespace {

std::string bytes_text(std::int64_t size_bytes) {
  return human_bytes(static_cast<double>(size_bytes));
}

std::string work_text(const RunEstimate& e) {
  const RankEstimate& most = e.busiest();
  return concat("  a round trains ", e.clients, " clients on ", e.images(), " images in ",
                e.steps(), " steps; the busiest rank ", most.clients, " on ", most.images, " in ",
                most.steps, "\n  an evaluation takes ", e.evaluated(), " images, in ",
                e.evaluations, " of ", e.rounds, " rounds\n");
}

std::string sent_text(const RunEstimate& e) {
  return concat("  a client is sent ", bytes_text(e.message_bytes), " a round and sends as much; ",
                "all together send ", bytes_text(e.message_bytes * e.clients), " a round, ",
                bytes_text(e.message_bytes * e.clients * e.rounds), " in all\n");
}

std::string memory_text(const RunEstimate& e) {
  const RankEstimate* largest = &e.ranks.front();
  for (const RankEstimate& rank : e.ranks) {
    if (rank.memory_bytes() > largest->memory_bytes()) largest = &rank;
  }
  const std::string lanes =
      largest->lanes > 1 ? concat(", the models of ", largest->lanes - 1, " further lane(s) ",
                                  bytes_text(largest->lane_bytes), " each")
                         : "";
  const std::string read = largest->stream_bytes > 0 ? concat(", batches that are read ahead ",
                                                              bytes_text(largest->stream_bytes))
                                                     : "";
  return concat("  memory of the largest rank: ", bytes_text(largest->memory_bytes()),
                e.timed ? "" : " without what its steps need (--dry-run=time measures that)",
                "; of this up to now ", bytes_text(largest->peak_bytes), " (images ",
                bytes_text(largest->sample_bytes), ")", lanes, read,
                ", still to come for clients' state", e.timed ? "" : " and sums", " ",
                bytes_text(largest->to_come_bytes));
}

std::string time_text(const RunEstimate& e) {
  const RankEstimate* slowest = &e.ranks.front();
  for (const RankEstimate& rank : e.ranks) {
    if (rank.train_s() > slowest->train_s()) slowest = &rank;
  }
  const Turns& step = slowest->step;
  const std::string lanes =
      slowest->lanes > 1 ? concat(" in each of ", slowest->lanes, " lanes") : "";
  return concat("\n  a step of ", slowest->step_images, " images", lanes, ": ",
                human_seconds(step.median_s), " (", human_seconds(step.least_s), " to ",
                human_seconds(step.most_s),
                " in three turns)\n  a round: ", human_seconds(e.round_s()), " = training ",
                human_seconds(e.train_s()), ", aggregation ", human_seconds(e.aggregate_s()),
                ", evaluation ", human_seconds(e.evaluate_s()), "\n  ", e.rounds,
                " rounds: ", human_seconds(e.run_s()), " (", fixed(e.run_s() / 3600.0, 2),
                " hours), without loading, saving, and what else may run on the machine");
}

}  // namespace

std::string plan_text(const RunEstimate& estimate) {
  return concat("plan\n", work_text(estimate), sent_text(estimate), memory_text(estimate),
                estimate.timed ? time_text(estimate) : "");
}

std::string plan_json(const RunEstimate& estimate, const std::vector<std::int64_t>& client_steps,
                      const std::string& measure) {
  const nlohmann::json plan = {{"clients", estimate.clients},
                               {"images", estimate.images()},
                               {"steps", estimate.steps()},
                               {"evaluated_images", estimate.evaluated()},
                               {"rounds", estimate.rounds},
                               {"evaluations", estimate.evaluations},
                               {"client_steps", client_steps},
                               {"message_bytes", estimate.message_bytes},
                               {"memory_bytes", estimate.memory_bytes()},
                               {"measure",
                                {{"name", measure},
                                 {"lower_is_better", lower_is_better(measure)},
                                 {"may_be_undefined", may_be_undefined(measure)}}}};
  return plan.dump() + "\n";
}

}  // namespace harmofl
