// SPDX-License-Identifier: Apache-2.0
// Cyclical weight transfer (Chang et al., "Distributed deep learning networks among institutions
// for medical imaging", J. Am. Med. Inform. Assoc. 25, 2018): the model goes from client to client.
//   in a round, for the clients 1..K in their order: w <- w_k, trained by client k from w
// The base optimiser's moments stay with each client.
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

class Cyclic final : public Algorithm {
 public:
  bool sequential() const override { return true; }
};

}  // namespace

AlgorithmEntry cyclic() {
  return {"cyclic", "Chang et al., JAMIA 2018", {}, {}, make_plain<Cyclic>};
}

}  // namespace harmofl
