// SPDX-License-Identifier: Apache-2.0
// Each client alone: the baseline that federated methods are to beat.
//   w_i of a round is where w_i of the next begins; nothing is sent, and the global model stays w_0
// A client is measured with its own model.
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

class Local final : public Algorithm {
 public:
  bool stays_local(const Slot&) const override { return true; }
};

}  // namespace

AlgorithmEntry local_method() {
  return {"local", "each client alone", {}, {{"data.evaluate", "clients"}}, make_plain<Local>};
}

}  // namespace harmofl
