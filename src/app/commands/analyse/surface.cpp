// SPDX-License-Identifier: Apache-2.0
// `harmofl analyse surface`: the loss on a plane through the weights w.
#include "app/commands/analyse/analysis.hpp"
#include "app/commands/analyse/kinds.hpp"
#include "fl/analysis/landscape.hpp"
#include "model/measures/metrics.hpp"

#include <algorithm>
#include <cmath>

namespace harmofl {
namespace {

namespace po = boost::program_options;

constexpr std::int64_t widest_printed_grid = 15;
/// A hundred million models, each measured on all images: more than anybody waits for, and few
/// enough for the memory of any machine.
constexpr std::int64_t max_points = 10'000;

struct SurfaceOptions {
  std::vector<double> axis;  ///< Values of x, and of y.
  std::uint64_t seed = 0;
};

po::options_description surface_options() {
  po::options_description options = analysis_options(
      "surface", "Loss at w + x d1 + y d2 on a grid, d1 and d2 random, filter-normalised.");
  options.add_options()("points", text_option("11"),
                        "points along each side; odd, so that w is one of them")(
      "span", text_option("1"), "x and y lie between -SPAN and SPAN")("seed", text_option("0"),
                                                                      "seed of the directions");
  return options;
}

/// `points` numbers from -span to span, 0 exactly where it is one of them.
std::vector<double> axis_of(std::int64_t points, double span) {
  std::vector<double> axis;
  for (std::int64_t i = 0; i < points; ++i) {
    axis.push_back(span * static_cast<double>(2 * i - (points - 1)) /
                   static_cast<double>(points - 1));
  }
  return axis;
}

SurfaceOptions read_surface_options(const GivenOptions& given) {
  return {axis_of(whole_option(given, "points", {2, max_points}),
                  number_option(given, "span", above(0.0))),
          static_cast<std::uint64_t>(whole_option(given, "seed", {0}))};
}

/// x | y | loss | the metric, y fastest.
ResultTable surface_table(const std::vector<double>& axis,
                          const std::vector<LandscapePoint>& points, const std::string& metric) {
  ResultTable table{{"x", "y", "loss", metric}, {}};
  for (std::size_t i = 0; i < points.size(); ++i) {
    table.rows.push_back(
        {axis[i / axis.size()], axis[i % axis.size()], points[i].loss, points[i].metric});
  }
  return table;
}

/// Loss, a row for each x and a column for each y.
std::string grid_text(const std::vector<double>& axis, const ResultTable& surface) {
  ResultTable grid{{"loss: x down, y right"}, {}};
  for (const double y : axis) grid.columns.push_back(concat(y));
  for (std::size_t i = 0; i < surface.rows.size(); ++i) {
    if (i % axis.size() == 0) grid.rows.push_back({concat(axis[i / axis.size()])});
    grid.rows.back().push_back(surface.rows[i][2]);
  }
  return plain_text(grid) + "\n";
}

/// The grid, unless it is large, and its lowest and highest points.
std::string surface_text(const std::vector<double>& axis, const ResultTable& surface) {
  const auto loss_of = [](const auto& row) { return row[2].template get<double>(); };
  ResultTable finite{surface.columns, {}};
  for (const auto& row : surface.rows) {
    if (std::isfinite(loss_of(row))) finite.rows.push_back(row);
  }
  const std::string grid =
      std::ssize(axis) <= widest_printed_grid ? grid_text(axis, surface) : std::string();
  if (finite.rows.empty()) return grid + "no point has a finite loss\n";
  const auto [low, high] = std::ranges::minmax_element(finite.rows, {}, loss_of);
  return grid + "lowest and highest loss\n" + plain_text({surface.columns, {*low, *high}});
}

}  // namespace

ExitCode analyse_surface(const Arguments& arguments, const Communicator& comm) {
  SurfaceOptions options;
  const auto analysis = open_analysis(
      "surface", arguments, surface_options(),
      [&](const GivenOptions& given) { options = read_surface_options(given); }, comm);
  if (!analysis) return ExitCode::done;
  Landscape landscape = open_landscape(*analysis, comm);
  const ParameterVector& weights = analysis->model().state();
  const torch::Tensor d1 = filter_normalized(weights, random_direction(weights, options.seed, 0));
  const torch::Tensor d2 = filter_normalized(weights, random_direction(weights, options.seed, 1));
  const std::vector<double>& axis = options.axis;
  const auto offset = [&](std::int64_t point) {
    const auto at = static_cast<std::size_t>(point);
    // x d1 + y d2
    return d1 * axis[at / axis.size()] + d2 * axis[at % axis.size()];
  };
  const auto points = landscape.at_points(std::ssize(axis) * std::ssize(axis), offset, comm);
  const std::string metric(main_metric(analysis->federation.shape.task));
  const ResultTable table = surface_table(axis, points, metric);
  report_results(*analysis,
                 {{"metric", metric},
                  {"points", axis.size()},
                  {"span", axis.back()},
                  {"seed", options.seed},
                  {"weight_norm", norm_of(weights.parameters())},
                  {"direction_norms", {norm_of(d1), norm_of(d2)}}},
                 table, surface_text(axis, table), comm);
  return ExitCode::done;
}

}  // namespace harmofl
