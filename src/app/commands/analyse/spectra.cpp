// SPDX-License-Identifier: Apache-2.0
// `harmofl analyse spectra`: how far the sites' images differ by frequency, and what of that
// amplitude normalisation leaves.
#include "fl/analysis/spectra.hpp"

#include "app/commands/analyse/analysis.hpp"
#include "app/commands/analyse/kinds.hpp"

#include <algorithm>
#include <numeric>

namespace harmofl {
namespace {

/// Spectra of all sites, on every rank. Collective.
std::vector<SiteSpectra> measure(const Analysis& analysis, std::size_t bins,
                                 const Communicator& comm) {
  const std::vector<Rank> placement = place_sites(analysis, comm);
  // Every number is measured on one rank and 0 on the others: their sum is exact.
  std::vector<double> values(placement.size() * 2 * bins, 0.0);
  comm.agree([&] {
    for (ClientId id{0}; id.value() < analysis.federation.size(); ++id) {
      if (placement[id.position()] != comm.rank()) continue;
      const SiteSpectra site = site_spectra(analysis.model().amplitude(),
                                            load_samples(analysis, id), analysis.batch_size);
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(id.position() * 2 * bins);
      std::ranges::copy(site.after, std::ranges::copy(site.before, begin).out);
    }
  });
  comm.all_reduce_sum(values);
  std::vector<SiteSpectra> sites;
  for (auto begin = values.begin(); begin != values.end();) {
    const auto middle = begin + static_cast<std::ptrdiff_t>(bins);
    const auto end = middle + static_cast<std::ptrdiff_t>(bins);
    sites.push_back({{begin, middle}, {middle, end}});
    begin = end;
  }
  return sites;
}

/// radius | frequencies | before and after of each site | cv_before | cv_after.
ResultTable spectra_table(const Federation& federation, const std::vector<SiteSpectra>& sites,
                          const std::vector<std::int64_t>& frequencies,
                          const SpectrumSpread& before, const SpectrumSpread& after) {
  ResultTable table{{"radius", "frequencies"}, {}};
  for (const Member& member : federation.members) {
    table.columns.push_back("before_" + member.site);
    table.columns.push_back("after_" + member.site);
  }
  table.columns.insert(table.columns.end(), {"cv_before", "cv_after"});
  for (std::size_t r = 0; r < frequencies.size(); ++r) {
    auto& row = table.rows.emplace_back();
    row = {r, frequencies[r]};
    for (const SiteSpectra& site : sites) row.insert(row.end(), {site.before[r], site.after[r]});
    row.insert(row.end(), {before.by_radius[r], after.by_radius[r]});
  }
  return table;
}

double mean_without_dc(const std::vector<double>& spectrum) {
  return std::accumulate(spectrum.begin() + 1, spectrum.end(), 0.0) /
         static_cast<double>(spectrum.size() - 1);
}

std::string spectra_text(const Federation& federation, const std::vector<SiteSpectra>& sites,
                         const SpectrumSpread& before, const SpectrumSpread& after,
                         const AmplitudeOptions& amplitude) {
  ResultTable table{{"site", "dc before", "dc after", "others before", "others after"}, {}};
  for (std::size_t i = 0; i < sites.size(); ++i) {
    table.rows.push_back({federation.members[i].site, sites[i].before.front(),
                          sites[i].after.front(), mean_without_dc(sites[i].before),
                          mean_without_dc(sites[i].after)});
  }
  if (sites.size() > 1) {
    table.rows.push_back({"spread of sites", before.dc, after.dc, before.rest, after.rest});
  }
  const std::string note = amplitude.band == Band::off
                               ? "amplitude.band = off: nothing is normalised, after = before\n"
                               : "amplitude.band = " + band_text(amplitude) + "\n";
  return plain_text(table) + note;
}

}  // namespace

ExitCode analyse_spectra(const Arguments& arguments, const Communicator& comm) {
  const auto analysis = open_analysis(
      "spectra", arguments,
      analysis_options("spectra",
                       "Mean amplitude of each site's images by radial frequency, before and "
                       "after\namplitude normalisation, and the spread between sites."),
      [](const GivenOptions&) {}, comm);
  if (!analysis) return ExitCode::done;
  const ProblemShape& shape = analysis->federation.shape;
  const AmplitudeOptions& amplitude = analysis->model().amplitude().options();
  const std::vector<std::int64_t> frequencies =
      RadialSpectrum(shape.height, shape.width).frequencies();
  const std::vector<SiteSpectra> sites = measure(*analysis, frequencies.size(), comm);
  std::vector<std::vector<double>> all_before, all_after;
  for (const SiteSpectra& site : sites) {
    all_before.push_back(site.before);
    all_after.push_back(site.after);
  }
  const SpectrumSpread before = spectrum_spread(all_before);
  const SpectrumSpread after = spectrum_spread(all_after);
  report_results(*analysis,
                 {{"band", band_text(amplitude)},
                  {"normalised", amplitude.band != Band::off},
                  {"spread_dc_before", before.dc},
                  {"spread_dc_after", after.dc},
                  {"spread_others_before", before.rest},
                  {"spread_others_after", after.rest}},
                 spectra_table(analysis->federation, sites, frequencies, before, after),
                 spectra_text(analysis->federation, sites, before, after, amplitude), comm);
  return ExitCode::done;
}

}  // namespace harmofl
