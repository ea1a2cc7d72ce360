// SPDX-License-Identifier: Apache-2.0
// `harmofl analyse flatness`: the loss at growing distances from the weights w.
#include "app/commands/analyse/analysis.hpp"
#include "app/commands/analyse/kinds.hpp"
#include "fl/analysis/landscape.hpp"
#include "fl/local/evaluation.hpp"
#include "harmofl/base/number_text.hpp"
#include "model/measures/metrics.hpp"

#include <cmath>
#include <limits>
#include <optional>
#include <sstream>

namespace harmofl {
namespace {

namespace po = boost::program_options;

struct FlatnessOptions {
  std::vector<double> radii;    ///< Lengths of the perturbation, L2 over all parameters.
  std::int64_t directions = 0;  ///< Random ones.
  std::uint64_t seed = 0;

  /// The random directions and the gradient.
  std::int64_t rays() const { return directions + 1; }
};

po::options_description flatness_options() {
  po::options_description options =
      analysis_options("flatness",
                       "Loss at distances from the weights, in random directions and "
                       "along the gradient.");
  options.add_options()("radii", text_option("0.01,0.05,0.1,0.5,1"),
                        "L2 norms of the perturbation over all parameters")(
      "directions", text_option("5"), "random directions")("seed", text_option("0"),
                                                           "seed of the directions");
  return options;
}

std::vector<double> parse_radii(const std::string& text) {
  std::vector<double> radii;
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    const std::optional<double> radius = parse_number(item);
    if (!radius || !(*radius > 0.0) || !std::isfinite(*radius)) {
      throw UsageError(concat("--radii ", text, ": '", item, "' is not a positive number. Give ",
                              "lengths with commas between them, for example 0.01,0.1,1."));
    }
    radii.push_back(*radius);
  }
  if (radii.empty()) throw UsageError("--radii is empty. Give lengths, for example 0.01,0.1,1.");
  return radii;
}

FlatnessOptions read_flatness_options(const GivenOptions& given) {
  return {parse_radii(given["radii"].as<std::string>()), whole_option(given, "directions", {1}),
          static_cast<std::uint64_t>(whole_option(given, "seed", {0}))};
}

/// Measures w, then the points on each random direction, then those along the gradient. Collective.
std::vector<LandscapePoint> measure(const FlatnessOptions& options, Landscape& landscape,
                                    const ParameterVector& weights, const torch::Tensor& gradient,
                                    const Communicator& comm) {
  const OffsetOf on_ray = points_on_rays(
      [&](std::int64_t ray) {
        return ray == options.directions ? gradient : random_direction(weights, options.seed, ray);
      },
      options.radii);
  const auto offset = [&](std::int64_t point) {
    return point == 0 ? torch::zeros_like(gradient) : on_ray(point - 1);
  };
  return landscape.at_points(1 + options.rays() * std::ssize(options.radii), offset, comm);
}

/// The largest; NaN where there is one.
double largest(const std::vector<double>& values) {
  double found = -std::numeric_limits<double>::infinity();
  for (const double value : values) {
    if (!(value <= found)) found = value;
    if (std::isnan(found)) break;
  }
  return found;
}

/// Null where there is one direction only.
nlohmann::json std_cell(const Spread& values) {
  return values.std ? nlohmann::json(*values.std) : nlohmann::json();
}

/// radius | loss: mean, std, largest over directions, along the gradient | the metric likewise.
ResultTable flatness_table(const FlatnessOptions& options,
                           const std::vector<LandscapePoint>& points, const std::string& metric) {
  ResultTable table{{"radius", "loss_mean", "loss_std", "loss_max", "loss_gradient",
                     metric + "_mean", metric + "_std", metric + "_min", metric + "_gradient"},
                    {}};
  const LandscapePoint& start = points.front();
  table.rows.push_back({0.0, start.loss, 0.0, start.loss, start.loss, start.metric, 0.0,
                        start.metric, start.metric});
  const std::size_t radii = options.radii.size();
  for (std::size_t r = 0; r < radii; ++r) {
    const auto on_ray = [&](std::int64_t ray) {
      return points[1 + static_cast<std::size_t>(ray) * radii + r];
    };
    std::vector<double> losses, metrics, negative;
    for (std::int64_t ray = 0; ray < options.directions; ++ray) {
      losses.push_back(on_ray(ray).loss);
      metrics.push_back(on_ray(ray).metric);
      negative.push_back(-on_ray(ray).metric);
    }
    const LandscapePoint ascent = on_ray(options.directions);
    const Spread loss = spread(losses);
    const Spread quality = spread(metrics);
    table.rows.push_back({options.radii[r], loss.mean, std_cell(loss), largest(losses), ascent.loss,
                          quality.mean, std_cell(quality), -largest(negative), ascent.metric});
  }
  return table;
}

}  // namespace

ExitCode analyse_flatness(const Arguments& arguments, const Communicator& comm) {
  FlatnessOptions options;
  const auto analysis = open_analysis(
      "flatness", arguments, flatness_options(),
      [&](const GivenOptions& given) { options = read_flatness_options(given); }, comm);
  if (!analysis) return ExitCode::done;
  Landscape landscape = open_landscape(*analysis, comm);
  torch::Tensor gradient;
  comm.agree([&] { gradient = landscape.gradient(); });
  const ParameterVector& weights = analysis->model().state();
  const auto points = measure(options, landscape, weights, gradient, comm);
  const std::string metric(main_metric(analysis->federation.shape.task));
  const ResultTable table = flatness_table(options, points, metric);
  report_results(*analysis,
                 {{"metric", metric},
                  {"directions", options.directions},
                  {"seed", options.seed},
                  {"parameters", weights.parameters().numel()},
                  {"weight_norm", norm_of(weights.parameters())},
                  {"gradient_norm", norm_of(gradient)}},
                 table, plain_text(table), comm);
  return ExitCode::done;
}

}  // namespace harmofl
