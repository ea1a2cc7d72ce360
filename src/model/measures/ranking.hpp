// SPDX-License-Identifier: Apache-2.0
/// How well scores order samples.
#pragma once

#include <span>
#include <vector>

namespace harmofl {

/// The area under the ROC curve of `scores` for the samples in `positive` against all others, as
/// many of both: the probability that a positive sample scores above a negative one, ties counted
/// half. Exact, by ranks (Mann and Whitney, Ann. Math. Statist. 18, 1947):
///   AUC = (R - P (P + 1) / 2) / (P N),   R the sum of the positives' ranks, ties sharing their
///   mean
/// NaN where either side is empty or a score is not a number.
double roc_auc(std::span<const double> scores, const std::vector<bool>& positive);

}  // namespace harmofl
