// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_reporter.hpp"

#include "base/log.hpp"
#include "base/memory.hpp"
#include "harmofl/base/text.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace harmofl {
namespace {

/// "  8 updates, lost: 2 straggler", where some were lost.
std::string lost_text(const RoundRecord& record) {
  std::vector<std::string> reasons;
  for (const auto& [reason, clients] : record.lost) reasons.push_back(concat(clients, " ", reason));
  if (reasons.empty()) return "";
  return concat("  ", record.counted, " updates, lost: ", join(reasons));
}

/// "  12.5 s simulated", where the round took time on simulated devices.
std::string simulated_text(const RoundRecord& record) {
  if (record.simulated_s <= 0.0) return "";
  return concat("  ", human_seconds(record.simulated_s), " simulated");
}

}  // namespace

RunReporter::RunReporter(const Communicator& comm, const Federation& federation,
                         const RunFolder* folder, std::int64_t rounds)
    : comm_(comm), folder_(folder), rounds_(rounds), log_(federation, folder) {}

bool RunReporter::report(RoundRecord record, const std::vector<Score>& own_scores,
                         const PhaseTimes& times) {
  scores_ = gather_scores(own_scores, comm_);
  record.ranks = gather_rank_rounds(
      {times.since(std::exchange(reported_seconds_, times.seconds())), peak_memory_bytes()}, comm_);
  bool best = false;
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    best = log_.record(record.round, scores_);
    log_.record(record);
    log::info(concat("round ", record.round, " (", record.round.value() + 1, "/", rounds_, ")  ",
                     log_.headline(scores_), lost_text(record), simulated_text(record),
                     best ? "  (best)" : "", "  ", human_seconds(record.seconds)));
  });
  return comm_.any(best);
}

void RunReporter::write_summary(const std::string& algorithm, const RunState& state) {
  comm_.agree([&] {
    if (folder_ == nullptr) return;
    folder_->write(
        "summary.json",
        log_.summary(algorithm, state.round, state.times.seconds(), state.sent_bytes).dump(2) +
            "\n");
  });
}

}  // namespace harmofl
