// `harmofl analyse flatness`: the loss at growing distances from the weights w.
#include "app/analyse/analysis.hpp"
#include "app/analyse/kinds.hpp"
#include "base/number_text.hpp"
#include "fl/analysis/landscape.hpp"
#include "fl/local/evaluation.hpp"
#include "model/measures/metrics.hpp"

#include <cmath>
#include <limits>
#include <optional>
#include <sstream>

namespace harmofl {
namespace {

namespace po = boost::program_options;

struct FlatnessOptions {
  std::vector<double> radii;    ///< Of the perturbation, L2 over all parameters.
  std::int64_t directions = 0;  ///< Random ones.
  std::uint64_t seed = 0;

  /// Points: w, then for each radius its random directions and the gradient.
  std::int64_t points() const { return 1 + std::ssize(radii) * (directions + 1); }
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

FlatnessOptions read_options(const GivenOptions& given) {
  return {parse_radii(given["radii"].as<std::string>()), whole_option(given, "directions", 1),
          static_cast<std::uint64_t>(whole_option(given, "seed", 0))};
}

/// Measures all points. Collective.
std::vector<LandscapePoint> measure(const FlatnessOptions& options, Landscape& landscape,
                                    const ParameterVector& weights, const torch::Tensor& gradient,
                                    const Communicator& comm) {
  const torch::Tensor ascent = unit_direction(gradient);
  const auto offset = [&](std::int64_t point) {
    if (point == 0) return torch::zeros_like(ascent);
    const std::int64_t radius = (point - 1) / (options.directions + 1);
    const std::int64_t index = (point - 1) % (options.directions + 1);
    const torch::Tensor direction =
        index == options.directions
            ? ascent
            : unit_direction(random_direction(weights, options.seed, index));
    // r d / ||d||
    return direction * options.radii[static_cast<std::size_t>(radius)];
  };
  return landscape.at_points(options.points(), offset, comm);
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

/// radius | loss: mean, std, largest over directions, along the gradient | the metric likewise.
ResultTable flatness_table(const FlatnessOptions& options,
                           const std::vector<LandscapePoint>& points, const std::string& metric) {
  ResultTable table{{"radius", "loss_mean", "loss_std", "loss_max", "loss_gradient",
                     metric + "_mean", metric + "_std", metric + "_min", metric + "_gradient"},
                    {}};
  const LandscapePoint& start = points.front();
  table.rows.push_back({0.0, start.loss, 0.0, start.loss, start.loss, start.metric, 0.0,
                        start.metric, start.metric});
  auto point = points.begin() + 1;
  for (const double radius : options.radii) {
    std::vector<double> losses, metrics, negative;
    for (std::int64_t i = 0; i < options.directions; ++i, ++point) {
      losses.push_back(point->loss);
      metrics.push_back(point->metric);
      negative.push_back(-point->metric);
    }
    const Spread loss = spread(losses);
    const Spread quality = spread(metrics);
    table.rows.push_back({radius, loss.mean, loss.std, largest(losses), point->loss, quality.mean,
                          quality.std, -largest(negative), point->metric});
    ++point;
  }
  return table;
}

}  // namespace

ExitCode analyse_flatness(const Arguments& arguments, const Communicator& comm) {
  FlatnessOptions options;
  const auto analysis = open_analysis(
      "flatness", arguments, flatness_options(),
      [&](const GivenOptions& given) { options = read_options(given); }, comm);
  if (!analysis) return ExitCode::done;
  Landscape landscape = open_landscape(*analysis, comm);
  torch::Tensor gradient;
  comm.agree([&] { gradient = landscape.gradient(); });
  const ParameterVector& weights = analysis->model().state();
  const auto points = measure(options, landscape, weights, gradient, comm);
  const std::string metric(main_metric(analysis->federation.shape.task));
  const ResultTable table = flatness_table(options, points, metric);
  write_results(*analysis,
                {{"metric", metric},
                 {"directions", options.directions},
                 {"seed", options.seed},
                 {"parameters", weights.parameters().numel()},
                 {"weight_norm", norm_of(weights.parameters())},
                 {"gradient_norm", norm_of(gradient)}},
                table, comm);
  print(plain_text(table), comm);
  return ExitCode::done;
}

}  // namespace harmofl
