// SPDX-License-Identifier: Apache-2.0
/// Federated methods: what each one changes of the round.
///
/// A method is one file in src/fl/methods/ and a line in the table of algorithm.cpp
/// (docs/adding-an-algorithm.md). Symbols as in method.md: w_t are the global weights at the start
/// of round t, w_i those of client i after its local work, p_i the aggregation weights, which sum
/// to 1, and D_i = w_i - w_t.
#pragma once

#include "harmofl/base/number_text.hpp"
#include "harmofl/fl/method_context.hpp"
#include "harmofl/fl/named_state.hpp"
#include "harmofl/model/parameter_vector.hpp"

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace harmofl {

/// One client's work in one round, as a method sees it. A state is float32 [N]: the network's
/// parameters, then its buffers.
struct ClientWork {
  ParameterVector& w;        ///< The weights as they move, and their gradients.
  torch::Tensor state;       ///< The network's state, of which the weights are the first part.
  torch::Tensor start;       ///< The state at the start of the client's work, w_t.
  NamedState& client;        ///< What the method keeps with this client.
  const NamedState& server;  ///< What it keeps at the server.
  double lr = 0.0;           ///< Learning rate of the base optimiser.
  double momentum = 0.0;     ///< Momentum of the base optimiser; 0 for Adam.
  std::int64_t steps = 0;    ///< Taken so far in this round: tau_i at the end.
  torch::Tensor extra = {};  ///< Sent beside the state: zeros, float32 [extra_count].

  /// Features [B, F] of the present pass's images at another state, without gradient. For
  /// `extra_loss`; not valid after it.
  std::function<torch::Tensor(const torch::Tensor& state)> features_at = {};
  /// Takes one more local step on the present batch from the weights as they are: gradient,
  /// perturbation, base optimiser, whose moments are `client` tensors of names with `prefix`.
  std::function<void(const std::string& prefix)> step = {};

  /// The trained part of `start`: w_t without buffers.
  torch::Tensor start_parameters() const { return start.narrow(0, 0, w.parameters().numel()); }
};

/// The server's part of one round. The same on every rank.
struct ServerRound {
  torch::Tensor w;  ///< w_t, the trained parameters, float32 [P].
  torch::Tensor
      average;          ///< sum p_i w_i, or of what `finish` left; becomes w_{t+1}, in place. [P].
  torch::Tensor extra;  ///< sum p_i extra_i.
  NamedState& server;   ///< What the method keeps at the server.
  /// Share of all clients that the sums are over, |S|/K: the sum over S of the weights that all K
  /// clients would have, while p_i above sum to 1 over S. 1 when every client counts.
  double participation = 1.0;
};

/// A tensor that a method keeps between rounds.
struct KeptTensor {
  enum class Shape {
    parameters,  ///< As the trained parameters, [P].
    state,       ///< As the network's state, [N].
  };

  std::string name;
  Shape shape = Shape::parameters;
};

/// A federated method. Every function may be left as it is: then the method is FedAvg. The local
/// step's perturbation and the amplitude normalisation are configured apart from it, so that
/// HarmoFL's two halves combine with any method; what a method adds to the local objective takes
/// part in both passes of a perturbed step.
class Algorithm {
 public:
  virtual ~Algorithm() = default;

  /// Whether a tensor stays with its client instead of being averaged.
  virtual bool stays_local(const Slot&) const { return false; }
  /// Whether the clients of a round train one after the other, each from what the one before it
  /// left: a round is then as many turns as clients, and in each of them one client is averaged.
  virtual bool sequential() const { return false; }
  /// Number of values that a client sends beside its state, for a model of so many parameters.
  virtual std::int64_t extra_count(std::int64_t /*parameters*/) const { return 0; }
  /// What lies outside the method's theory in `setting`, one sentence each.
  virtual std::vector<std::string> cautions(const MethodContext&) const { return {}; }

  /// Before a client's first step of a round.
  virtual void begin(ClientWork&) {}
  /// Adds to `w.gradients()` the gradient of what the method adds to the local objective.
  virtual void add_gradient(ClientWork&) {}
  /// Whether `extra_loss` is wanted; it costs the pooled features.
  virtual bool wants_features() const { return false; }
  /// A term to add to the batch's loss, from its features float32 [B, F], with gradient.
  virtual torch::Tensor extra_loss(ClientWork&, const torch::Tensor& /*features*/) { return {}; }
  /// After every step of the base optimiser.
  virtual void after_step(ClientWork&) {}
  /// After the last step: updates what stays with the client; fills `extra`; may put another
  /// message in the place of w_i.
  virtual void finish(ClientWork&) {}

  /// Turns the average into w_{t+1}. Buffers are averaged whatever the method.
  virtual void server_step(ServerRound&) {}

  /// All that the method ever keeps with a client, and at the server. Files with other tensors are
  /// refused, and so is a run's save. Not listed are the base optimiser's moments and the tensors
  /// of the model that stay with a client.
  virtual std::vector<KeptTensor> client_tensors() const { return {}; }
  virtual std::vector<KeptTensor> server_tensors() const { return {}; }
  /// The prefixes that it gives `ClientWork::step`.
  virtual std::vector<std::string> moment_prefixes() const { return {}; }

  /// Name of the client tensor (a state, [N]) that a client is evaluated with in the place of the
  /// global model; "" for the global model.
  virtual std::string personal_state() const { return ""; }

  /// Whether local gradients are those of the loss alone, which a GPU can record and replay: the
  /// method has neither an `add_gradient` nor an `extra_loss` of its own. Known of methods that the
  /// makers below made, which see it from the class; false of others.
  bool plain_gradient() const { return plain_gradient_; }

 private:
  template <class Method>
  friend std::unique_ptr<Algorithm> made(std::unique_ptr<Method> method);

  bool plain_gradient_ = false;
};

/// Whether class `Method` takes over the local gradient as Algorithm has it.
template <class Method>
inline constexpr bool has_plain_gradient =
    std::is_same_v<decltype(&Method::add_gradient), decltype(&Algorithm::add_gradient)> &&
    std::is_same_v<decltype(&Method::wants_features), decltype(&Algorithm::wants_features)> &&
    std::is_same_v<decltype(&Method::extra_loss), decltype(&Algorithm::extra_loss)>;

/// A new method, with what its class tells about it.
template <class Method>
std::unique_ptr<Algorithm> made(std::unique_ptr<Method> method) {
  method->Algorithm::plain_gradient_ = has_plain_gradient<Method>;
  return method;
}

/// A key `algorithm.<name>` of a method, a number.
struct AlgorithmKey {
  std::string name;
  std::string default_text;
  std::string meaning;
  NumberRange range = {};
};

/// Values of a method's keys, by name.
using AlgorithmValues = std::map<std::string, std::string>;

/// Values for all keys of a method.
class AlgorithmOptions {
 public:
  /// `given` over the defaults of `keys`. Throws UsageError for a value of no key, UserError for
  /// one that is not a number in the key's range.
  AlgorithmOptions(const std::vector<AlgorithmKey>& keys, const AlgorithmValues& given);

  /// The value of key `name`.
  double number(const std::string& name) const { return values_.at(name); }

 private:
  std::map<std::string, double> values_;
};

/// How a method is made, and what is known of it before.
struct AlgorithmMaker {
  std::unique_ptr<Algorithm> (*make)(const AlgorithmOptions&);
  bool plain_gradient;  ///< As Algorithm::plain_gradient of what is made.

  std::unique_ptr<Algorithm> operator()(const AlgorithmOptions& options) const {
    return make(options);
  }
};

/// What `algorithm.name` means.
struct AlgorithmEntry {
  std::string name;
  std::string source;              ///< Paper.
  std::vector<AlgorithmKey> keys;  ///< The method's own.
  /// What keys with default `auto` outside [algorithm] stand for, where it is not the usual.
  std::map<std::string, std::string> defaults;
  AlgorithmMaker make;
};

/// All methods, in the order of their names.
const std::vector<AlgorithmEntry>& algorithms();

/// The names of all methods.
std::vector<std::string> algorithm_names();

/// The method called `name`. Throws UsageError listing the known ones.
const AlgorithmEntry& find_algorithm(std::string_view name);

/// Makes the method called `name` with the values `given` to its keys. Throws UsageError or
/// UserError.
std::unique_ptr<Algorithm> make_algorithm(std::string_view name, const AlgorithmValues& given);

/// `AlgorithmEntry::make` of a method that has no keys, and of one that has.
template <class Method>
inline constexpr AlgorithmMaker make_plain{
    [](const AlgorithmOptions&) { return made(std::make_unique<Method>()); },
    has_plain_gradient<Method>};
template <class Method>
inline constexpr AlgorithmMaker make_with_options{
    [](const AlgorithmOptions& options) { return made(std::make_unique<Method>(options)); },
    has_plain_gradient<Method>};

}  // namespace harmofl
