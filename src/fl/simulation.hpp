/// The federated run: choose, train, aggregate, evaluate, save.
#pragma once

#include "base/timer.hpp"
#include "comm/communicator.hpp"
#include "comm/transport.hpp"
#include "comm/watchdog.hpp"
#include "fl/aggregate/aggregator.hpp"
#include "fl/aggregate/exchange.hpp"
#include "fl/clients/federation.hpp"
#include "fl/clients/hosting.hpp"
#include "fl/fleet/round_plan.hpp"
#include "fl/local/evaluation.hpp"
#include "fl/local/local_trainer.hpp"
#include "fl/record/run_log.hpp"
#include "harmofl/fl/algorithm.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace harmofl {

/// What happens to an update that holds NaN or infinite values, `train.nonfinite`.
enum class NonFinite {
  stop,       ///< The job ends, naming the client.
  leave_out,  ///< It does not count, and what the client kept is forgotten.
};

struct SimulationOptions {
  std::string algorithm = "harmofl";
  AlgorithmValues algorithm_values;  ///< Of the method's own keys, where not the defaults.
  std::uint64_t seed = 0;
  std::int64_t rounds = 1;
  std::int64_t evaluate_every = 1;  ///< Rounds; the last round is always evaluated.
  std::int64_t save_every = 10;     ///< Rounds; the last round is always saved.
  double save_minutes = 0.0;        ///< Also when the last save is so long ago; 0 is off.
  std::int64_t keep = 2;            ///< Checkpoints that the run folder holds, the newest included.
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
  double timeout_s = 0.0;  ///< Of the watchdog; 0 is off.
  std::string config;      ///< Resolved configuration, kept in every checkpoint.
};

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

  /// Calls `observer` after each client's work of each round, on the client's rank, with its update
  /// D_i: parameters only, float32 [P]. Needs `local.measure`.
  using UpdateObserver = std::function<void(ClientId, const torch::Tensor& update)>;
  void observe_updates(UpdateObserver observer) { observe_update_ = std::move(observer); }

  /// What is combined outside its theory, one sentence each.
  std::vector<std::string> cautions() const;

  /// Starts from given weights instead of drawn ones. Throws UserError, naming `source`, unless
  /// they are those of the network.
  void start_from(const std::vector<NamedTensor>& model, const std::string& source);

  /// Writes the model as it stands, before the first round, to `initial.h5`. Collective.
  void save_initial();

  /// Continues from a checkpoint of the same configuration, to the same bits as if never stopped.
  void resume(const std::filesystem::path& checkpoint);

  /// Runs the rounds that are left; leaves after a round, saved, when any rank is interrupted.
  Outcome run();

  /// Runs one round.
  void run_round();

  Model& model() { return model_; }
  const Model& model() const { return model_; }
  RoundId next_round() const { return round_; }
  /// Scores of the last round: train losses, and val and test where it was evaluated. Root only.
  const std::vector<Score>& scores() const { return scores_; }
  /// The clients of this rank, and where all of them are.
  Hosting& hosting() { return hosting_; }
  const std::vector<Rank>& placement() const { return hosting_.placement(); }
  /// What was decided of the last round.
  const RoundPlan& plan() const { return plan_; }
  /// Who trained in it, their updates counted or not. Ascending.
  const std::vector<ClientId>& trained() const { return trained_; }
  const Fleet& fleet() const { return fleet_; }

 private:
  void plan_the_round();
  std::vector<Score> train_clients();
  Score train_own(ClientId id, const ClientData& data);
  Score train_client(ClientId id, const ClientData& data, NamedState& state);
  void count_update(ClientId id, const torch::Tensor& message, NamedState& state);
  void aggregate();
  std::vector<ClientId> agree_on_left_out();
  void step_server(const torch::Tensor& sum, double participation);
  void recompute_statistics_of_clients();
  std::vector<Score> evaluate_models();
  std::vector<Score> evaluate_on(ClientId measured, const ClientData& data);
  void report(const std::vector<Score>& own_scores, double seconds);
  void save();
  void save_best();
  void write_checkpoint(const std::filesystem::path& path, std::int64_t rounds_done, bool whole);
  void write_summary();
  void check_clients(const std::vector<std::string>& known,
                     const std::filesystem::path& checkpoint) const;
  double weight_of(const std::vector<ClientId>& clients) const;

  const Communicator& comm_;
  SimulationOptions options_;
  Federation federation_;
  const RunFolder* folder_;
  Watchdog watchdog_;            ///< First of what takes time: loading the clients counts.
  std::vector<double> weights_;  ///< Of all clients; sum to 1.
  RoundWork work_;
  Fleet fleet_;
  Hosting hosting_;
  std::map<ClientId, ClientData> sites_;  ///< Those that this rank measures on, where by site.
  Model model_;                           ///< The working copy: local models, then the global one.
  torch::Tensor global_;                  ///< State of the global model w_t.
  std::unique_ptr<Algorithm> algorithm_;
  NamedState server_state_;  ///< What the method keeps at the server; the same on every rank.
  LocalTrainer trainer_;
  std::unique_ptr<Transport> transport_;
  Aggregator aggregator_;
  Exchange exchange_;
  RoundPlan plan_;  ///< Of this round, the same on every rank.
  std::vector<ClientId> trained_;
  double plan_weight_ = 1.0;        ///< Share of all weights that the clients which count have.
  std::vector<ClientId> left_out_;  ///< This rank's in this round: updates that are not finite.
  std::int64_t moved_clients_ = 0;  ///< In this round.
  UpdateObserver observe_update_;
  RunLog log_;
  PhaseTimes times_;
  std::map<std::string, double> reported_seconds_;  ///< `times_` when a round was reported last.
  RoundId round_;
  std::int64_t sent_bytes_ = 0;  ///< By a client that took part in every round: its messages.
  std::vector<Score> scores_;
};

}  // namespace harmofl
