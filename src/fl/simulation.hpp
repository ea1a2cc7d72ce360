// SPDX-License-Identifier: Apache-2.0
/// The federated run: choose, train, aggregate, evaluate, save.
///
/// Owned here is the loop of the rounds, and what only it needs: who takes part (Fleet, RoundPlan),
/// the local work (LocalTrainer, Lanes) and the messages (Exchange, UpdateAverage). What a run is,
/// is a RunState; its files are RunCheckpoints'; what it measures RunEvaluation's; what it says
/// RunReporter's; the clients are Hosting's.
#pragma once

#include "comm/communicator.hpp"
#include "comm/transport.hpp"
#include "comm/watchdog.hpp"
#include "fl/aggregate/aggregator.hpp"
#include "fl/aggregate/exchange.hpp"
#include "fl/aggregate/update_average.hpp"
#include "fl/clients/federation.hpp"
#include "fl/clients/hosting.hpp"
#include "fl/fleet/round_plan.hpp"
#include "fl/lanes/lanes.hpp"
#include "fl/local/local_trainer.hpp"
#include "fl/record/fingerprint_log.hpp"
#include "fl/run/personalization.hpp"
#include "fl/run/run_checkpoints.hpp"
#include "fl/run/run_estimate.hpp"
#include "fl/run/run_evaluation.hpp"
#include "fl/run/run_reporter.hpp"
#include "fl/run/run_state.hpp"
#include "fl/trace/run_trace.hpp"
#include "harmofl/fl/algorithm.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace harmofl {

/// What happens to an update that holds NaN or infinite values, `train.nonfinite`.
enum class NonFinite {
  stop,       ///< The job ends, naming the client.
  leave_out,  ///< It does not count, and what the client kept is forgotten.
};

struct SimulationOptions {
  std::string algorithm = "harmofl";
  AlgorithmValues algorithm_values;  ///< Values of the method's own keys, where not the defaults.
  std::uint64_t seed = 0;
  std::int64_t rounds = 1;
  std::int64_t evaluate_every = 1;         ///< Rounds; the last round is always evaluated.
  std::vector<std::string> measures = {};  ///< Names; empty: the usual ones of the task.
  std::string best_by = {};   ///< Measure that rounds are compared by; "": main_metric.
  std::int64_t patience = 0;  ///< Measured rounds without a better one that end the run; 0 is off.
  NewSiteStatistics new_sites = NewSiteStatistics::global;
  PersonalizationOptions personalization = {};
  std::int64_t save_every = 10;  ///< Rounds; the last round is always saved.
  double save_minutes = 0.0;     ///< Also when the last save is so long ago; 0 is off.
  std::int64_t keep = 2;         ///< Checkpoints that the run folder holds, the newest included.
  bool accept_changed_data = false;  ///< `resume` goes on with other data than those before.
  Weighting weights = Weighting::uniform;
  bool truncate = false;  ///< Every client uses as many samples as the smallest has.
  LocalOptions local;
  ModelOptions model;
  BufferPolicy buffers = BufferPolicy::average;
  NonFinite nonfinite = NonFinite::stop;
  CohortOptions cohort;
  FleetOptions fleet;
  StateOptions state;
  PlacementCosts placement = PlacementCosts::samples;
  Reduction reduction = Reduction::fast;
  TransportKind transport = TransportKind::automatic;
  std::int64_t lanes = 1;  ///< Clients that this rank trains at the same time, at most.
  /// Trains the first client alone, and then as many as there is memory for by that.
  bool lanes_by_memory = false;
  /// Time limit of the watchdog; 0 is off, and no value lets it find limits of its own.
  std::optional<double> timeout_s = {};
  TensorboardOptions tensorboard = {};
  std::string config;  ///< Resolved configuration, kept in every checkpoint.
};

/// The options with the names of all that is measured. Throws UsageError, naming the key, for a
/// measure that the task does not have.
SimulationOptions with_measures(SimulationOptions options, Task task);

/// How a run ended.
enum class Outcome { finished, interrupted };

/// One federated run on all ranks of a communicator. Construction, `resume` and `run` are
/// collective.
class Simulation {
 public:
  using ClientLoader = Hosting::ClientLoader;

  /// `folder` is null on all ranks but the root, and on the root too if nothing is to be written.
  Simulation(const Communicator& comm, const SimulationOptions& options, Federation federation,
             const ClientLoader& load, torch::Device device, const RunFolder* folder);
  /// A temporary communicator would be gone before the run is.
  Simulation(const Communicator&& comm, const SimulationOptions& options, Federation federation,
             const ClientLoader& load, torch::Device device, const RunFolder* folder) = delete;

  /// Calls `observer` after each client's work of each round, on the client's rank, with its update
  /// D_i: parameters only, float32 [P]. Needs `local.measure`.
  using UpdateObserver = std::function<void(ClientId, const torch::Tensor& update)>;
  void observe_updates(UpdateObserver observer) { observe_update_ = std::move(observer); }

  /// Writes the samples of the best round to `per_sample.csv`, with their ids by `names`.
  void write_samples(SampleNames names) { reporter_.write_samples(std::move(names)); }

  /// Writes what the ranks did into `trace` after every round, or nothing for null. It must outlive
  /// the run; the same on every rank.
  void trace(RunTrace* trace) { trace_ = trace; }

  /// Measures the joules of phases by `energy`, of which every rank has its own. It must outlive
  /// the run.
  void measure_energy(RunEnergy& energy) {
    state_.times.tell(energy.meter());
    reporter_.measure_energy(energy);
  }

  /// What is combined outside its theory, one sentence each.
  std::vector<std::string> cautions() const;

  /// Starts from given weights instead of drawn ones: those of the root, others give none. Throws
  /// UserError, naming `source`, unless they are those of the network. Collective.
  void start_from(const std::vector<NamedTensor>& model, const std::string& source);

  /// Writes the model as it stands, before the first round, to `initial.h5`. Collective.
  void save_initial();

  /// Continues from a checkpoint of the same configuration, open on every rank, to the same bits as
  /// if never stopped. Throws as RunCheckpoints::resume.
  void resume(const CheckpointReader& checkpoint);

  /// What the run will ask of its ranks, by its next round. `timed` does some of that round's
  /// steps, evaluation and aggregation, and times them: the simulation is not to be run then.
  /// Collective.
  RunEstimate estimate(bool timed);

  /// Client steps of each round that is left, as RoundRecord counts them, of the fleet as planned.
  /// After `estimate`. The same on every rank.
  std::vector<std::int64_t> client_steps_to_come() const;

  /// Runs the rounds that are left, up to the end of patience, then what comes after the last;
  /// leaves, with the last round saved, when any rank is interrupted.
  Outcome run();

  /// Runs one round.
  void run_round();

  Model& model() { return state_.model; }
  const Model& model() const { return state_.model; }
  RoundId next_round() const { return state_.round; }
  /// Scores of the last round: train losses, and val and test where it was evaluated. Root only.
  const std::vector<Score>& scores() const { return reporter_.scores(); }
  /// The clients of this rank, and where all of them are.
  Hosting& hosting() { return hosting_; }
  const std::vector<Rank>& placement() const { return hosting_.placement(); }
  /// What was decided of the last round.
  const RoundPlan& plan() const { return plan_; }
  /// Who trained in it, their updates counted or not. Ascending.
  const std::vector<ClientId>& trained() const { return trained_; }
  const Fleet& fleet() const { return fleet_; }
  /// Data other than before that the run went on with. On the root alone.
  const std::vector<AcceptedChange>& accepted_changes() const { return state_.accepted_changes; }
  /// Hashes of what the last round computed, with `local.fingerprints`. On the root alone.
  const RoundFingerprints& last_fingerprints() const { return fingerprints_->last(); }

 private:
  LaneParts make_lane();
  void share_gradient();
  void plan_the_round();
  struct ClientTurn;

  void take_turn(const std::vector<ClientId>& clients, std::vector<Score>& scores);
  void train_clients(const std::vector<ClientId>& clients, std::vector<Score>& scores);
  void train_together(ClientId id, std::vector<Score>& scores);
  /// Tells the watchdog what this rank does in this round.
  void report_work(const std::string& what, Work work = Work::own);
  bool is_own(ClientId id) const { return placement()[id.position()] == comm_.rank(); }
  TakenIn taken_in(std::int64_t items) const;
  void train_in_lanes(std::vector<ClientTurn>& turns);
  void share_out_turns(std::vector<std::size_t> order, TakenIn taken_in, const SharedWork& work);
  template <class Part>
  void named(const ClientTurn& turn, const Part& part);
  void train_client(const Lane& lane, ClientTurn& turn);
  void take_in(ClientTurn& turn);
  bool counts(ClientId id) const;
  torch::Tensor message_of_turn(const ClientTurn& turn);
  void set_aside(ClientTurn& turn);
  void count_update(const ClientTurn& turn);
  void hash_kept(ClientTurn& turn) const;
  void hash_work(ClientTurn& turn, const std::vector<Slot>& slots) const;
  void take_fingerprints(ClientTurn& turn);
  void aggregate();
  void step_server();
  void recompute_statistics_of_clients();
  bool pictures_are_due() const;
  std::vector<Score> evaluate_models();
  void report(const std::vector<Score>& own_scores, double seconds);
  bool is_done() const;
  Outcome finish();
  std::int64_t steps_of(ClientId id) const;
  RankEstimate asked_of_this_rank() const;
  std::int64_t waiting_bytes(const RankEstimate& own) const;
  void in_lanes(std::int64_t lanes, const std::function<void(const Lane&, std::size_t)>& work);
  void time_training(RankEstimate& own);
  void time_evaluation(RankEstimate& own);
  void time_aggregation(RankEstimate& own);

  const Communicator& comm_;
  SimulationOptions options_;
  Federation federation_;
  Watchdog watchdog_;  ///< Made before what takes time: loading the clients counts.
  RoundWork work_;     ///< What a round asks of each client.
  Fleet fleet_;
  Hosting hosting_;
  RunEvaluation evaluation_;
  RunState state_;
  LocalTrainer trainer_;
  Lanes lanes_;
  std::unique_ptr<Transport> transport_;
  Aggregator gradient_sum_;  ///< Sum of the pieces of a batch, where its gradient is shared.
  Exchange exchange_;
  UpdateAverage updates_;
  RunReporter reporter_;
  RunCheckpoints checkpoints_;
  std::optional<FingerprintLog> fingerprints_;  ///< Where the run is hashed.
  UpdateObserver observe_update_;
  RunTrace* trace_ = nullptr;
  RoundPlan plan_;                  ///< Plan of this round, the same on every rank.
  std::vector<ClientId> trained_;   ///< In this round, on all ranks.
  std::vector<ClientId> left_out_;  ///< In this round, on all ranks: updates that are not finite.
  std::vector<Picture> pictures_;   ///< Of this rank's cases, where they are due.
  std::int64_t moved_clients_ = 0;  ///< To another rank, before this round.
  std::int64_t client_steps_ = 0;   ///< In this round, of this rank's clients.
  bool lanes_are_measured_ = false;
};

}  // namespace harmofl
