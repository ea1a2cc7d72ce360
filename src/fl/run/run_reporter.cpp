// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_reporter.hpp"

#include "base/log.hpp"
#include "base/process/memory.hpp"
#include "comm/named_numbers.hpp"
#include "fl/record/site_table.hpp"
#include "fl/record/split_summary.hpp"
#include "harmofl/base/text.hpp"
#include "model/device/device_memory.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace harmofl {
namespace {

/// "  8 updates, lost: 2 straggler", where some were lost.
std::string lost_text(const RoundRecord& record) {
  std::vector<std::string> reasons;
  reasons.reserve(record.lost.size());
  for (const auto& [reason, clients] : record.lost) reasons.push_back(concat(clients, " ", reason));
  if (reasons.empty()) return "";
  return concat("  ", record.counted, " updates, lost: ", join(reasons));
}

/// "  12.5 s simulated", where the round took time on simulated devices.
std::string simulated_text(const RoundRecord& record) {
  if (record.simulated_s <= 0.0) return "";
  return concat("  ", human_seconds(record.simulated_s), " simulated");
}

/// "val dice 0.8100 -> 0.8400": means over clients before and after fine-tuning.
std::string gain_text(const nlohmann::json& personalized, const char* split,
                      const std::string& measure) {
  const auto mean = [&](const char* when) -> std::string {
    const nlohmann::json& means = personalized.at(split).at(when).at("mean");
    const auto found = means.find(measure);
    return found == means.end() || found->is_null() ? "none" : fixed(found->get<double>(), 4);
  };
  return concat(split, " ", measure, " ", mean("before"), " -> ", mean("after"));
}

/// Totals by kind and phase, of so many rounds; of kinds that are not available, why.
nlohmann::json joules_summary(const RunLogState& log,
                              const std::map<std::string, std::string>& missing) {
  nlohmann::json found = {{"rounds", log.joules_rounds}};
  std::map<std::string, double> totals;
  for (const auto& [name, joules] : log.joules) {
    const std::size_t slash = name.find('/');
    totals[name.substr(0, slash)] += joules;
    found[name.substr(0, slash)]["phases"][name.substr(slash + 1)] = finite_or_null(joules);
  }
  for (const auto& [kind, joules] : totals) found[kind]["total"] = finite_or_null(joules);
  for (const auto& [kind, why] : missing) found[kind]["not_available"] = why;
  return found;
}

}  // namespace

RunReporter::RunReporter(const Communicator& comm, const Federation& federation,
                         const RunFolder* folder, ReportOptions options)
    : comm_(comm),
      federation_(federation),
      folder_(folder),
      options_(std::move(options)),
      log_(federation, folder, options_.log),
      divergence_(federation.shape.classes) {}

/// "  eta 1 h 12 min", where rounds are left.
std::string RunReporter::eta_text(const RoundRecord& record) {
  const std::int64_t left = options_.rounds - record.round.value() - 1;
  const double seconds = remaining_.after_round(record.seconds, left);
  return left > 0 ? "  eta " + human_seconds(seconds) : "";
}

// The file begins with the first round that is reported: of a run that goes on the one after the
// checkpoint, from which on earlier files do not count.
void RunReporter::write_events(const RoundRecord& record) {
  if (!options_.tensorboard.on || folder_ == nullptr) return;
  if (!tensorboard_) tensorboard_.emplace(*folder_, options_.config, record.round);
  tensorboard_->write(record.round, {.scalars = round_scalars(scores_, federation_, record),
                                     .images = round_images(pictures_, federation_)});
  pictures_.clear();
}

/// What this rank used since the last call.
std::map<std::string, double> RunReporter::joules() {
  const bool measured = energy_ != nullptr && energy_->meter() != nullptr;
  return measured ? energy_->meter()->take() : std::map<std::string, double>();
}

bool RunReporter::report(RoundRecord record, const std::vector<Score>& own_scores,
                         std::int64_t client_steps, const PhaseTimes& times) {
  scores_ = gather_scores(own_scores, comm_);
  record.ranks = gather_rank_rounds({times.since(std::exchange(reported_seconds_, times.seconds())),
                                     client_steps, peak_memory_bytes(), peak_gpu_bytes(), joules()},
                                    comm_);
  bool best = false;
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    best = log_.record(record.round, scores_);
    if (best && names_ && folder_ != nullptr) {
      folder_->write("per_sample.csv", sample_rows(scores_, federation_, log_.measures(), names_));
    }
    log_.record(record);
    write_events(record);
    const bool something = !no_better_than_nothing(scores_, federation_.shape.classes);
    log::info(concat("round ", record.round, " (", record.round.value() + 1, "/", options_.rounds,
                     ")  ", log_.headline(scores_), lost_text(record), simulated_text(record),
                     best && something ? "  (best)" : "", "  ", human_seconds(record.seconds),
                     eta_text(record)));
    const auto warning = divergence_.after_round(record.round, scores_);
    if (warning) log::warn_once(*warning);
  });
  out_of_patience_ = comm_.any(comm_.is_root() && lacks_patience());
  return comm_.any(best);
}

nlohmann::json RunReporter::report(const Personalized& personalized) {
  nlohmann::json found = nlohmann::json::object();
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    found = to_json(personalized, federation_, log_.measures());
    log::info(concat("fine-tuned at each client: ", gain_text(found, "val", log_.best_by()), ", ",
                     gain_text(found, "test", log_.best_by())));
    if (folder_ == nullptr) return;
    folder_->write("personalized.csv", personalized_csv(personalized, federation_));
  });
  return found;
}

void RunReporter::write_summary(const std::string& algorithm, const RunState& state,
                                const nlohmann::json& more) {
  // What came after the last round: its save, and fine-tuning.
  for (const auto& rank : gather_named({joules()}, comm_)) log_.add_joules(rank.front());
  comm_.agree([&] {
    const std::string table = site_table(log_.state());
    if (comm_.is_root() && !table.empty()) log::info(table);
    if (folder_ == nullptr) return;
    nlohmann::json summary =
        log_.summary(algorithm, state.round, state.times.seconds(), state.sent_bytes);
    summary.update(more);
    if (energy_ != nullptr) summary["joules"] = joules_summary(log_.state(), energy_->missing());
    folder_->write("summary.json", summary.dump(2) + "\n");
  });
}

}  // namespace harmofl
