/// Federated methods: what each one changes of the round.
#pragma once

#include "harmofl/model/model.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

/// A federated method. The local step (its loss, its perturbation, amplitude normalisation) is
/// configured apart from it, so that HarmoFL's two halves combine with any method.
class Algorithm {
 public:
  virtual ~Algorithm() = default;

  /// The server's step of a round: turns the weighted average of the clients' states,
  /// sum p_i w_i, into the next global model, which still holds w_t when this is called.
  virtual void server_step(Model& global, const torch::Tensor& average) = 0;
};

/// What `algorithm.name` means: the method, its source, and its defaults of the local step.
struct AlgorithmEntry {
  std::string name;
  std::string source;  ///< Paper.
  double alpha;        ///< Default of `perturbation.alpha`.
  std::string band;    ///< Default of `amplitude.band`.
  std::unique_ptr<Algorithm> (*make)();
};

/// All methods, by name.
const std::vector<AlgorithmEntry>& algorithms();

/// The method called `name`. Throws UsageError listing the known ones.
const AlgorithmEntry& find_algorithm(std::string_view name);

}  // namespace harmofl
