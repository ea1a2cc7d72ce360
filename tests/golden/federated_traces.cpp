// SPDX-License-Identifier: Apache-2.0
// Golden tests of whole federated runs, through the same Simulation that users run.
#include "fl/flat_module.hpp"
#include "fl/simulation.hpp"
#include "golden/trace.hpp"
#include "harmofl/base/text.hpp"
#include "support/world.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace harmofl::test {
namespace {

torch::Tensor joined(const Trace& common, std::int64_t client, const char* what,
                     std::int64_t batches) {
  std::vector<torch::Tensor> parts;
  for (std::int64_t t = 0; t < batches; ++t) {
    parts.push_back(common.tensor(concat("client", client, "/train/", what, t)));
  }
  return at::cat(parts);
}

ClientData client_data(const Trace& common, std::int64_t client, std::int64_t batches) {
  ClientData data;
  data.site = concat("client", client);
  data.split(Split::train) = {joined(common, client, "x", batches),
                              joined(common, client, "y", batches).squeeze(1), 1.0};
  data.split(Split::test) = {common.tensor(data.site + "/eval/x"),
                             common.tensor(data.site + "/eval/y").squeeze(1), 1.0};
  return data;
}

/// Clients whose declared training samples are in the proportions of the trace's weights.
Federation federation_of(const Trace& trace, const Trace& common) {
  Federation federation;
  const torch::Tensor images = common.tensor("client0/eval/x");
  federation.shape = {Task::segmentation, 2, images.size(1), images.size(2), images.size(3)};
  federation.class_names = {"background", "foreground"};
  const std::vector<double> weights = trace.numbers("weights");
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const auto samples = static_cast<std::int64_t>(std::llround(weights[k] * 1e6));
    federation.members.push_back({concat("client", k), {}, {samples, 0, 4}, {}});
  }
  return federation;
}

SimulationOptions options_of(const Trace& trace, const Trace& common, const std::string& method) {
  SimulationOptions options;
  options.algorithm = method;
  options.rounds = trace.integer("rounds");
  options.weights = Weighting::samples;
  options.reduction = Reduction::exact;  // the same bits at any number of ranks
  options.local.shuffle = false;
  options.local.batches = {.batch_size = common.integer("batch")};
  options.local.perturbation.alpha = trace.has_attribute("alpha") ? trace.number("alpha") : 0.0;
  OptimizerOptions& optimizer = options.local.optimizer;
  optimizer.kind = trace.text("optimizer") == "adam" ? OptimizerKind::adam : OptimizerKind::sgd;
  optimizer.lr = trace.number("lr");
  optimizer.momentum = trace.has_attribute("momentum") ? trace.number("momentum") : 0.0;
  optimizer.weight_decay = trace.number("weight_decay");
  options.model.network = {"unet", trace.integer("init_features"), NormKind::batch_stateless};
  for (const AlgorithmKey& key : find_algorithm(method).keys) {
    if (trace.has_attribute(key.name)) {
      options.algorithm_values[key.name] = concat(trace.number(key.name));
    }
  }
  if (method == "fedbn") options.model.network.norm = NormKind::batch;
  if (trace.has_attribute("amp_L")) {
    const double fraction = trace.number("amp_L");
    options.model.amplitude = {fraction < 0    ? Band::full
                               : fraction == 0 ? Band::dc
                                               : Band::low,
                               fraction, trace.number("amp_v"), /*update_every_pass=*/true,
                               /*record_spectrum=*/true};
  }
  return options;
}

/// sqrt(sum |w_got - w_expected|^2) / sqrt(sum |w_expected - w_init|^2) over all parameters.
double relative_update_error(const Trace& trace, const Trace& common, const std::string& group,
                             const ParameterVector& state) {
  double error = 0.0;
  double update = 0.0;
  for (const Slot& slot : state.slots()) {
    if (slot.role != Role::parameter || slot.normalization) continue;
    const torch::Tensor expected = trace.tensor("expect/" + group + "/" + slot.name);
    const torch::Tensor got = ParameterVector::view(state.state(), slot);
    error += (got - expected).to(torch::kFloat64).square().sum().item<double>();
    update += (expected - common.tensor("init/" + slot.name))
                  .to(torch::kFloat64)
                  .square()
                  .sum()
                  .item<double>();
  }
  return std::sqrt(error / update);
}

void check_scores(Trace& trace, const std::string& group, const std::vector<Score>& scores) {
  std::map<std::string, std::vector<float>> columns;
  for (const Score& score : scores) {
    if (score.split == Split::train) columns["train_loss"].push_back(score.values.at("loss"));
    if (score.split != Split::test) continue;
    columns["eval_loss"].push_back(score.values.at("loss"));
    columns["eval_dice"].push_back(score.values.at("dice_with_background"));
  }
  for (const auto& [name, values] : columns) {
    trace.check(group + name, torch::tensor(values), name == "eval_dice" ? dice_step : 0.0);
  }
}

/// The initial model: that of the traces, in which a norm's tensors are missing (they start as
/// those of any new norm).
std::vector<NamedTensor> initial_model(const Simulation& simulation, const Trace& common,
                                       bool amplitude) {
  std::map<std::string, NamedTensor> by_name;
  for (const NamedTensor& tensor : common.state("init", amplitude ? "" : "amp_norm.running_amp")) {
    by_name[tensor.name] = tensor;
  }
  std::vector<NamedTensor> tensors = simulation.model().state().export_tensors();
  for (NamedTensor& tensor : tensors) {
    const bool norm = simulation.model().state().slot(tensor.name).normalization;
    EXPECT_NE(norm, by_name.contains(tensor.name)) << tensor.name;
    if (!norm) tensor = by_name.at(tensor.name);
  }
  return tensors;
}

/// The tensors that stayed with the clients of this rank.
void check_local_tensors(Trace& trace, const std::string& group, Simulation& simulation) {
  for (std::int64_t k = 0; trace.has(concat("expect/", group, "client", k)); ++k) {
    if (!simulation.hosting().own().contains(ClientId{k})) continue;
    simulation.hosting().with_state(ClientId{k}, [&](const NamedState& client) {
      for (const std::string& name : trace.children(concat("expect/", group, "client", k))) {
        trace.check(concat(group, "client", k, "/", name), client.get("local." + name));
      }
    });
  }
}

/// FedNova's a_i and tau_eff, from the method itself.
void check_normalisers(Trace& trace) {
  const auto method = make_algorithm("fednova", {});
  const std::vector<double> weights = trace.numbers("weights");
  const std::vector<std::int64_t> batches = trace.integers("batches_used");
  std::vector<float> normalisers;
  double tau_eff = 0.0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    FlatModule module({1});
    ParameterVector w(module, {}, false);
    NamedState client;
    ClientWork work{w, w.state(), w.state().clone(), client, {}};
    work.momentum = trace.number("momentum");
    work.steps = batches[k];
    work.extra = torch::zeros({method->extra_count(1)});
    torch::NoGradGuard no_grad;
    method->finish(work);
    normalisers.push_back(work.extra.item<float>());
    tau_eff += weights[k] * work.extra.item<double>();
  }
  trace.check("a_norm", torch::tensor(normalisers));
  trace.check("tau_eff", tau_eff);
}

}  // namespace

void check_federated(Trace& trace, Computation by) {
  const std::string method = trace.text("method").substr(0, trace.text("method").find('_'));
  if (trace.has("expect/a_norm")) check_normalisers(trace);
  const Trace common(trace_folder() / trace.text("common"));
  const std::vector<std::int64_t> batches = trace.integers("batches_used");
  const auto load = [&](const Member& member) {
    const std::int64_t client = std::stoll(member.site.substr(std::string("client").size()));
    return client_data(common, client, batches.at(static_cast<std::size_t>(client)));
  };
  SimulationOptions options = options_of(trace, common, method);
  options.model.channels_last = by.channels_last;
  options.model.kernels = by.kernels;
  Simulation simulation(world(), options, federation_of(trace, common), load, torch::kCPU, nullptr);
  const bool amplitude = trace.has_attribute("amp_L");
  simulation.start_from(initial_model(simulation, common, amplitude), common.name());
  const std::vector<double> tolerance = trace.numbers("rel_update_tol");
  for (std::int64_t round = 1; round <= trace.integer("rounds"); ++round) {
    simulation.run_round();
    const std::string group = concat("round", round, "/");
    const ParameterVector& state = simulation.model().state();
    trace.note(concat("relative update of round ", round),
               relative_update_error(trace, common, group + "global", state),
               tolerance.at(static_cast<std::size_t>(round - 1)));
    for (const std::string& name : trace.children("expect/" + group + "global")) {
      trace.check(group + "global/" + name, ParameterVector::view(state.state(), state.slot(name)));
    }
    check_local_tensors(trace, group, simulation);
    if (world().is_root()) check_scores(trace, group, simulation.scores());
  }
}

}  // namespace harmofl::test
