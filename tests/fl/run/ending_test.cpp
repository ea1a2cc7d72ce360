// SPDX-License-Identifier: Apache-2.0
// What goes on around the rounds: schedules, patience, sites held out, fine-tuning. On any number
// of ranks, resumed or not.
#include "fl/local/batch_statistics.hpp"
#include "fl/shared_folder.hpp"
#include "fl/small_federation.hpp"
#include "model/tensors.hpp"
#include "support/errors.hpp"
#include "support/file_content.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace harmofl {
namespace {

using nlohmann::json;
using test::Ending;
using test::same_bits;
using test::same_scores;
using test::SharedFolder;
using test::small_options;
using test::SmallFederation;
using test::unequal_sites;
using test::world;

/// This rank, without the others.
const Communicator& alone() {
  static const Communicator comm = Communicator::serial();
  return comm;
}

/// Three unequal sites of which the last is held out.
Federation without_last(const SmallFederation& small) {
  Federation federation = small.federation();
  federation.held_out = {federation.members.back()};
  federation.members.pop_back();
  return federation;
}

/// Everything of this file at once.
SimulationOptions ending_options(std::int64_t rounds) {
  SimulationOptions options = small_options();
  options.rounds = rounds;
  options.save_every = 0;
  options.patience = 3;
  options.new_sites = NewSiteStatistics::estimated;
  options.local.schedule = {.kind = ScheduleKind::cosine, .rounds = 4, .warm_up = 2};
  options.personalization = {.epochs = 1, .lr = 0.02};
  return options;
}

struct EndedRun {
  Ending ending;
  std::int64_t rounds = 0;
};

EndedRun run_ending(const std::filesystem::path& folder, const Communicator& comm,
                    const SimulationOptions& options, bool resume) {
  const SmallFederation small = unequal_sites(3);
  std::optional<RunFolder> run_folder;
  if (comm.is_root()) run_folder.emplace(folder, resume);
  Simulation simulation(comm, options, without_last(small), small.loader(), torch::kCPU,
                        run_folder ? &*run_folder : nullptr);
  simulation.write_samples([](const Member& member, Split split) {
    std::vector<std::string> ids;
    for (std::int64_t i = 0; i < member.count(split); ++i) ids.push_back(concat("s", i));
    return ids;
  });
  if (resume) simulation.resume(open_checkpoint(folder / "checkpoint.h5", comm));
  simulation.run();
  return {test::ending_of(simulation), simulation.next_round().value()};
}

json summary_in(const std::filesystem::path& folder) {
  std::ifstream file(folder / "summary.json");
  json summary = json::parse(file);
  summary.erase("seconds");
  return summary;
}

void expect_same_files(const std::filesystem::path& left, const std::filesystem::path& right) {
  if (!world().is_root()) return;
  EXPECT_EQ(summary_in(left), summary_in(right));
  for (const char* name : {"per_sample.csv", "personalized.csv"}) {
    EXPECT_EQ(test::content_of(left / name), test::content_of(right / name)) << name;
    EXPECT_FALSE(test::content_of(left / name).empty()) << name;
  }
}

TEST(Endings, are_the_same_when_resumed_and_on_any_number_of_ranks) {
  const SharedFolder folder;
  const EndedRun whole = run_ending(folder / "whole", world(), ending_options(5), false);
  run_ending(folder / "parts", world(), ending_options(2), false);
  const EndedRun parts = run_ending(folder / "parts", world(), ending_options(5), true);
  EXPECT_TRUE(same_bits(parts.ending.state, whole.ending.state));
  expect_same_files(folder / "parts", folder / "whole");
  if (!world().is_root()) return;
  EXPECT_TRUE(same_scores(parts.ending.scores, whole.ending.scores));
  const EndedRun serial =
      run_ending(folder / "serial", Communicator::serial(), ending_options(5), false);
  EXPECT_TRUE(same_bits(serial.ending.state, whole.ending.state));
  expect_same_files(folder / "serial", folder / "whole");
}

/// Rounds that change nothing, so that none is better than the first.
SimulationOptions idle_options(std::int64_t patience) {
  SimulationOptions options = small_options();
  options.model.network = {"unet", 2, NormKind::group};
  options.model.amplitude.band = Band::off;
  options.local.optimizer = {OptimizerKind::sgd, 1e-30, 0.0, 0.0};
  options.local.perturbation.alpha = 0.0;
  options.rounds = 9;
  options.patience = patience;
  return options;
}

TEST(Patience, ends_a_run_when_so_many_measured_rounds_were_no_better) {
  const SharedFolder folder;
  EXPECT_EQ(run_ending(folder / "run", world(), idle_options(2), false).rounds, 3);
  if (world().is_root()) {
    EXPECT_EQ(summary_in(folder / "run").at("stopped_by"), "run.patience");
    EXPECT_EQ(summary_in(folder / "run").at("best_round"), 0);
  }
  SimulationOptions rare = idle_options(2);
  rare.evaluate_every = 2;
  EXPECT_EQ(run_ending(folder / "rare", world(), rare, false).rounds, 6) << "rounds 1, 3 and 5";
}

TEST(Patience, that_is_over_stays_so_when_resumed_and_goes_on_with_more) {
  const SharedFolder folder;
  run_ending(folder / "run", world(), idle_options(2), false);
  EXPECT_EQ(run_ending(folder / "run", world(), idle_options(2), true).rounds, 3);
  const EndedRun longer = run_ending(folder / "run", world(), idle_options(4), true);
  EXPECT_EQ(longer.rounds, 5);
  const EndedRun whole = run_ending(folder / "whole", world(), idle_options(4), false);
  EXPECT_TRUE(same_bits(longer.ending.state, whole.ending.state));
  if (world().is_root()) {
    EXPECT_EQ(summary_in(folder / "run"), summary_in(folder / "whole"));
  }
  SimulationOptions none = idle_options(0);
  none.rounds = 4;
  EXPECT_EQ(run_ending(folder / "none", world(), none, false).rounds, 4);
  if (world().is_root()) {
    EXPECT_EQ(summary_in(folder / "none").at("stopped_by"), "run.rounds");
  }
}

/// Val values of the site held out in the last round, and those of `model` by hand.
class SitesHeldOut : public testing::Test {
 protected:
  void run(NewSiteStatistics statistics) {
    SimulationOptions options = small_options();
    options.rounds = 2;
    options.new_sites = statistics;
    const SmallFederation small = unequal_sites(3);
    Simulation simulation(alone(), options, without_last(small), small.loader(), torch::kCPU,
                          nullptr);
    simulation.run();
    const ClientData& site = small.clients.back();
    found_ = std::ranges::find(simulation.scores(), ClientId{2}, &Score::client)->values;
    const auto measured = [&] {
      return evaluate(simulation.model(), site.split(Split::val), Task::segmentation, 2,
                      options.local.loss, options.local.batches.batch_size);
    };
    with_global_ = measured();
    recompute_statistics(simulation.model(), site.split(Split::train), options.local.batches);
    with_own_ = measured();
    for (const Score& score : simulation.scores()) {
      trained_on_it_ =
          trained_on_it_ || (score.client == ClientId{2} && score.split == Split::train);
    }
  }

  MetricValues found_, with_global_, with_own_;
  bool trained_on_it_ = false;
};

TEST_F(SitesHeldOut, are_measured_with_the_global_model) {
  run(NewSiteStatistics::global);
  EXPECT_EQ(found_, with_global_);
  EXPECT_FALSE(trained_on_it_);
}

TEST_F(SitesHeldOut, get_statistics_of_their_own_images_where_asked) {
  run(NewSiteStatistics::estimated);
  EXPECT_EQ(found_, with_own_);
  EXPECT_NE(with_own_, with_global_);
}

TEST(SitesHeldOutOf, a_federation_do_not_change_what_the_others_train) {
  SmallFederation two = unequal_sites(3);
  SimulationOptions options = small_options();
  options.rounds = 2;
  const SmallFederation three = two;
  two.clients.pop_back();
  Simulation with(alone(), options, without_last(three), three.loader(), torch::kCPU, nullptr);
  with.run();
  const Ending without = test::run_serially(options, two);
  EXPECT_TRUE(same_bits(with.model().state().state(), without.state));
}

TEST(SitesHeldOutOf, a_federation_without_images_to_estimate_from_are_refused) {
  SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  options.new_sites = NewSiteStatistics::estimated;
  Federation federation = without_last(small);
  federation.held_out.front().counts[0] = 0;
  EXPECT_THAT(test::user_error_of([&] {
                Simulation(alone(), options, federation, small.loader(), torch::kCPU, nullptr);
              }),
              testing::HasSubstr("is held out and has no training images"));
}

/// One client with plain SGD: fine-tuning is then one more round of FedAvg.
SimulationOptions plain_options(std::int64_t rounds) {
  SimulationOptions options = small_options();
  options.algorithm = "fedavg";
  options.rounds = rounds;
  options.reduction = Reduction::fast;
  options.model.amplitude.band = Band::off;
  options.local.perturbation.alpha = 0.0;
  options.local.optimizer = {OptimizerKind::sgd, 0.05, 0.0, 1e-4};
  return options;
}

TEST(FineTuning, of_the_only_client_is_one_more_round_of_fedavg) {
  const SharedFolder folder;
  if (!world().is_root()) return;
  const SmallFederation one = unequal_sites(1);
  SimulationOptions tuned = plain_options(2);
  tuned.personalization = {.epochs = 1};
  const RunFolder run_folder(folder / "run", false);
  Simulation simulation(alone(), tuned, one.federation(), one.loader(), torch::kCPU, &run_folder);
  simulation.run();
  const Ending three = test::run_serially(plain_options(3), one);
  const Ending two = test::run_serially(plain_options(2), one);
  const json found = summary_in(folder / "run").at("personalized");
  for (const auto& [when, ending] : {std::pair("before", two), std::pair("after", three)}) {
    for (const Score& score : ending.scores) {
      if (score.split == Split::train) continue;
      const json& site = found.at(std::string(to_string(score.split))).at(when).at("sites");
      for (const auto& [name, value] : score.values) {
        EXPECT_NEAR(site.at("site_0").at(name).get<double>(), value, 1e-6) << when << " " << name;
      }
    }
  }
  EXPECT_TRUE(same_bits(simulation.model().state().state(), two.state)) << "the model stays";
}

TEST(FineTuning, begins_with_what_a_client_has_for_itself) {
  const SharedFolder folder;
  if (!world().is_root()) return;
  const SmallFederation two = unequal_sites(2);
  SimulationOptions options = small_options();
  options.algorithm = "fedbn";
  options.rounds = 2;
  options.personalization = {.epochs = 1};
  const RunFolder run_folder(folder / "run", false);
  Simulation simulation(alone(), options, two.federation(), two.loader(), torch::kCPU, &run_folder);
  simulation.run();
  const json before = summary_in(folder / "run").at("personalized").at("val").at("before");
  for (const Score& score : simulation.scores()) {
    if (score.split != Split::val) continue;
    const std::string site = concat("site_", score.client);
    EXPECT_EQ(before.at("sites").at(site).at("loss"), score.values.at("loss"));
  }
}

/// Keeps the learning rate that the method sees.
class RateProbe final : public Algorithm {
 public:
  void begin(ClientWork& work) override { rates.push_back(work.lr); }
  std::vector<double> rates;
};

TEST(LocalTrainer, steps_with_the_rate_of_the_round_and_tells_the_method) {
  const SmallFederation small = unequal_sites(1);
  LocalOptions options = plain_options(1).local;
  options.optimizer.weight_decay = 0.0;
  options.schedule = {.kind = ScheduleKind::step, .rounds = 1, .factor = 0.5};
  options.batches.batch_size = 12;  // one step
  options.shuffle = false;
  options.batches.augment = false;
  Model model(plain_options(1).model, small.federation().shape, 1, torch::kCPU);
  const torch::Tensor start = model.state().state().clone();
  RateProbe probe;
  LocalTrainer trainer(model, probe, options);
  std::vector<torch::Tensor> updates;
  for (const std::int64_t round : {0, 1, 2, 0}) {
    NamedState client;
    model.state().state().copy_(start);
    trainer.train(small.clients.front(), {RoundId{round}, ClientId{0}, 1}, client, {});
    updates.push_back(model.state().parameters() - start.narrow(0, 0, model.parameter_count()));
  }
  EXPECT_THAT(probe.rates, testing::ElementsAre(0.05, 0.025, 0.0125, 0.05));
  const auto length = [](const torch::Tensor& update) { return update.norm().item<double>(); };
  EXPECT_NEAR(length(updates[0]) / length(updates[1]), 2.0, 1e-2);
  EXPECT_NEAR(length(updates[0]) / length(updates[2]), 4.0, 1e-2);
  EXPECT_TRUE(same_bits(updates[0], updates[3])) << "a rate is of its round alone";
}

}  // namespace
}  // namespace harmofl
