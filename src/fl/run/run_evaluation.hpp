// SPDX-License-Identifier: Apache-2.0
/// The models of a run on val and test samples.
#pragma once

#include "comm/communicator.hpp"
#include "comm/watchdog.hpp"
#include "data/batches/batches.hpp"
#include "fl/clients/federation.hpp"
#include "fl/clients/hosting.hpp"
#include "fl/lanes/lanes.hpp"
#include "fl/local/evaluation.hpp"
#include "fl/record/picture.hpp"
#include "fl/run/run_state.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// The running statistics that a site which never trains is measured with,
/// `data.hold_out_statistics`.
enum class NewSiteStatistics {
  global,     ///< Those of the global model.
  estimated,  ///< Made anew from the site's training images, without their labels.
};

struct RunEvaluationOptions {
  LossOptions loss;
  BatchOptions batches;
  std::vector<std::string> measures = {};  ///< Sorted names; empty: the usual ones.
  NewSiteStatistics new_sites = NewSiteStatistics::global;
};

/// Measures the global model, or the model that each client is evaluated with, on this rank's share
/// of the sites or clients, and the global model on its share of the sites that are held out. Owns
/// the samples of the sites; those of clients are where they are hosted.
class RunEvaluation {
 public:
  /// Loads the val and test samples of this rank's sites by `load`, where models are measured by
  /// site, and of those held out, with their training samples where statistics are estimated.
  /// `federation` must outlive this object. Throws UserError for a site held out that has none of
  /// these. Collective.
  RunEvaluation(const Communicator& comm, const Federation& federation,
                const Hosting::ClientLoader& load, RunEvaluationOptions options);

  /// The sites that this rank measures on; none where clients are measured.
  const std::map<ClientId, ClientData>& sites() const { return sites_; }

  /// This rank's scores, of as many sites or clients at the same time as there are lanes. Leaves
  /// the global model in `state.model`. Adds pictures of some cases to `pictures` where that is
  /// given.
  std::vector<Score> scores(RunState& state, Hosting& hosting, Lanes& lanes, Watchdog& watchdog,
                            std::vector<Picture>* pictures = nullptr) const;

  /// Scores, under the id given, of the model as it stands on the val and test samples of `member`.
  /// Adds pictures of its first test samples, else val samples, to `pictures` where that is given.
  std::vector<Score> scores_on(Model& model, ClientId id, const Member& member,
                               const ClientData& data,
                               std::vector<Picture>* pictures = nullptr) const;

 private:
  struct Subject;

  std::vector<Subject> subjects(const Hosting& hosting) const;
  void measure(Subject& subject, Model& model, const RunState& state, bool pictured) const;

  const Federation& federation_;
  RunEvaluationOptions options_;
  std::map<ClientId, ClientData> sites_;     ///< Those that this rank measures on, where by site.
  std::map<ClientId, ClientData> held_out_;  ///< Those of this rank, by the id of their scores.
};

}  // namespace harmofl
