// SPDX-License-Identifier: Apache-2.0
#include "data/partition/shares.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <cmath>

namespace harmofl {
namespace {

/// Draws from Gamma(shape, 1), shape >= 1 (Marsaglia and Tsang, "A simple method for generating
/// gamma variables", ACM TOMS 26, 2000).
double draw_gamma(double shape, RngStream& stream) {
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = stream.normal();
    const double root = 1.0 + c * x;
    const double u = 1.0 - stream.uniform();  // above 0
    if (root <= 0.0) continue;
    const double v = root * root * root;
    if (std::log(u) < 0.5 * x * x + d * (1.0 - v + std::log(v))) return d * v;
  }
}

/// The logarithm of a draw from Gamma(alpha, 1). A small alpha gives numbers that have no double:
/// Gamma(alpha) is Gamma(alpha + 1) times u^(1 / alpha).
double draw_log_gamma(double alpha, RngStream& stream) {
  if (alpha >= 1.0) return std::log(draw_gamma(alpha, stream));
  const double larger = std::log(draw_gamma(alpha + 1.0, stream));
  return larger + std::log(1.0 - stream.uniform()) / alpha;
}

}  // namespace

std::vector<double> draw_dirichlet(std::int64_t count, double alpha, RngStream& stream) {
  HARMOFL_EXPECT(count >= 1 && alpha > 0.0);
  std::vector<double> shares(static_cast<std::size_t>(count));
  for (double& share : shares) share = draw_log_gamma(alpha, stream);
  const double largest = *std::ranges::max_element(shares);
  double sum = 0.0;
  for (double& share : shares) sum += share = std::exp(share - largest);
  for (double& share : shares) share /= sum;
  return shares;
}

std::vector<std::int64_t> divide(std::int64_t total, const std::vector<double>& shares) {
  std::vector<std::int64_t> counts;
  counts.reserve(shares.size());
  double sum = 0.0;
  std::int64_t given = 0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    sum += shares[i];
    const bool last = i + 1 == shares.size();
    const std::int64_t rounded = std::llround(sum * static_cast<double>(total));
    const std::int64_t end = last ? total : std::clamp(rounded, given, total);
    counts.push_back(end - given);
    given = end;
  }
  return counts;
}

std::vector<std::int64_t> divide_evenly(std::int64_t total, std::int64_t count) {
  std::vector<std::int64_t> counts;
  counts.reserve(static_cast<std::size_t>(count));
  const std::int64_t extra = total % count;
  for (std::int64_t i = 0; i < count; ++i) counts.push_back(total / count + (i < extra ? 1 : 0));
  return counts;
}

}  // namespace harmofl
