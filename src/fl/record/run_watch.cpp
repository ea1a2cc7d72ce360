// SPDX-License-Identifier: Apache-2.0
#include "fl/record/run_watch.hpp"

#include "harmofl/base/text.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace harmofl {
namespace {

/// Mean over the sites of `split`; nothing where none has the measure.
std::optional<double> mean_over_sites(const std::vector<Score>& scores, Split split,
                                      const std::string& name) {
  std::vector<double> values;
  for (const Score& score : scores) {
    const auto found = score.values.find(name);
    if (score.split == split && found != score.values.end()) values.push_back(found->second);
  }
  if (values.empty()) return std::nullopt;
  return spread(values).mean;
}

}  // namespace

double RemainingTime::after_round(double round_s, std::int64_t rounds_left) {
  if (rounds_++ == 0) {
    first_s_ = round_s;
    since_first_.reset();
  }
  const double spent_s = first_s_ + since_first_.elapsed_s();
  return spent_s / static_cast<double>(rounds_) * static_cast<double>(rounds_left);
}

double loss_of_knowing_nothing(std::int64_t classes) {
  const double entropy = std::log(static_cast<double>(classes));
  return std::max(entropy, (entropy + 1.0) / 2.0);
}

bool no_better_than_nothing(const std::vector<Score>& scores, std::int64_t classes) {
  const double guess = 1.0 / static_cast<double>(classes);
  const std::vector<std::pair<const char*, double>> nothing{
      {"dice", 0.0}, {"iou", 0.0}, {"f1", 0.0}, {"accuracy", guess}, {"balanced_accuracy", guess},
      {"auc", 0.5}};
  return std::ranges::any_of(nothing, [&](const auto& measure) {
    const auto value = mean_over_sites(scores, Split::val, measure.first);
    return value && !(*value > measure.second);
  });
}

std::optional<std::string> DivergenceWatch::after_round(RoundId round,
                                                        const std::vector<Score>& scores) {
  const auto loss = mean_over_sites(scores, Split::train, "loss");
  if (!loss) return std::nullopt;
  const auto former = std::exchange(former_loss_, loss);
  const double nothing = loss_of_knowing_nothing(classes_);
  const bool growing = former ? *loss > *former : no_better_than_nothing(scores, classes_);
  if (warned_ || *loss <= 2.0 * nothing || !growing) return std::nullopt;
  warned_ = true;
  return concat("the run diverges: in round ", round, " the training loss is ", fixed(*loss, 4),
                former ? concat(", after ", fixed(*former, 4)) : "",
                ", where a model that knows nothing has ", fixed(nothing, 4),
                ". Lower --train.lr or --perturbation.alpha, or look at the images with `harmofl ",
                "inspect`.");
}

}  // namespace harmofl
