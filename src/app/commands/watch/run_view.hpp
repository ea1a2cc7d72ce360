// SPDX-License-Identifier: Apache-2.0
/// A run as `harmofl watch` sees it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// Whether a run is at work, as far as its folder tells.
enum class RunPhase {
  starting,  ///< No round has ended yet.
  running,
  silent,   ///< Nothing has come for much longer than a round takes.
  killed,   ///< Its process is gone and did not end as it should.
  stopped,  ///< No job writes to the folder, and rounds are left.
  finished,
};

/// What the phase is told by.
struct RunSigns {
  bool finished = false;           ///< summary.json is of all the rounds that there are.
  bool locked = false;             ///< A job left its name in the folder and did not take it back.
  std::optional<bool> alive = {};  ///< Its process is there; none where it is on another machine.
  std::int64_t rounds = 0;         ///< That have ended.
  double news_age_s = 0.0;         ///< Since the last of them, or since the start.
  double usual_s = 0.0;            ///< What a round takes; 0 before one has ended.
};

/// A file system may have no locks, and then there is no name of a job: what comes fresh is of a
/// run that goes on.
RunPhase phase_of(const RunSigns& signs);

/// A site's or client's values of the measure, by measured round: none where the round has no line
/// of it, NaN where the value is not finite.
struct SiteTrack {
  std::string site;
  bool held_out = false;  ///< It never trains and has no part in the mean.
  std::vector<std::optional<double>> val = {};
  std::vector<std::optional<double>> test = {};
};

/// Seconds of a phase in the last round, over ranks.
struct PhaseShare {
  std::string name;
  double mean_s = 0.0;
  double max_s = 0.0;
};

/// Who waited longest in the last round.
struct Waiting {
  std::int64_t rank = 0;
  double seconds = 0.0;
  std::int64_t awaited_rank = 0;   ///< Whom all waited for.
  std::string awaited_place = {};  ///< Its host and clients.
};

struct RunView {
  std::string folder;
  std::string name;
  std::string method;
  RunPhase phase = RunPhase::starting;
  std::int64_t rounds_wanted = 0;
  std::int64_t rounds_done = 0;
  std::string measure;  ///< The one that the best round is chosen by.
  bool lower_is_better = false;
  std::vector<std::int64_t> measured = {};  ///< Indices of the rounds of the tracks' values.
  std::vector<SiteTrack> sites = {};
  std::int64_t best = -1;               ///< Position of the best round in `measured`.
  std::vector<double> train_loss = {};  ///< Mean over clients, by round.
  double last_round_s = 0.0;
  double usual_s = 0.0;                 ///< Mean of the last rounds.
  std::vector<PhaseShare> phases = {};  ///< Of the last round.
  std::int64_t ranks = 1;
  std::optional<Waiting> waiting = {};
  std::map<std::string, std::int64_t> lost = {};  ///< Updates that did not count, by reason.
  double news_age_s = 0.0;
  std::optional<double> saved_age_s = {};  ///< Since the last checkpoint.
  std::string writer = {};                 ///< "process 4711 on node3", where that is known.
  std::string stopped_by = {};             ///< Of a finished run: a key.
  std::int64_t unread_lines = 0;           ///< That are not what a run writes.
};

/// Mean over the sites that train, of those that have a value; NaN where none has.
double mean_of_val(const RunView& view, std::size_t measured);

/// Position in `measured` of the best mean of val, the first of equals; -1 where there is none.
std::int64_t best_measured(const RunView& view);

}  // namespace harmofl
