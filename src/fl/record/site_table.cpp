// SPDX-License-Identifier: Apache-2.0
#include "fl/record/site_table.hpp"

#include "harmofl/base/text.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace harmofl {
namespace {

/// A column: a measure of one split.
struct Column {
  std::string title;
  const SiteValues& sites;
  std::string measure;

  std::optional<double> at(const std::string& site) const {
    const auto found = sites.find(site);
    if (found == sites.end()) return std::nullopt;
    const auto value = found->second.find(measure);
    if (value == found->second.end()) return std::nullopt;
    return value->second;
  }
};

void add_columns(const std::string& split, const SiteValues& sites, std::vector<Column>& columns) {
  std::set<std::string> measures;
  for (const auto& [site, values] : sites) {
    for (const auto& [name, value] : values) measures.insert(name);
  }
  for (const std::string& name : measures) columns.push_back({split + " " + name, sites, name});
}

/// `text` in a column of `width`, at its right end.
std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string left(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, text.size()), ' ');
}

constexpr std::size_t number_width = 8;

std::size_t width_of(const Column& column) { return std::max(column.title.size(), number_width); }

/// A line of the table; `cell` gives what stands in a column.
template <class Cell>
std::string line(const std::string& name, std::size_t name_width,
                 const std::vector<Column>& columns, const Cell& cell) {
  std::string text = "\n  " + left(name, name_width);
  for (const Column& column : columns) text += "  " + right(cell(column), width_of(column));
  return text;
}

}  // namespace

std::string site_table(const RunLogState& state, std::size_t most) {
  if (state.best_round < 0) return "";
  std::vector<Column> columns;
  add_columns("val", state.best_val.sites, columns);
  add_columns("test", state.best_test.sites, columns);
  std::set<std::string> sites;
  for (const SiteValues* values : {&state.best_val.sites, &state.best_test.sites}) {
    for (const auto& [site, unused] : *values) sites.insert(site);
  }
  std::size_t name_width = std::string("mean").size();
  for (const std::string& site : sites) name_width = std::max(name_width, site.size());
  std::string text = concat("best round ", state.best_round, " of each site");
  text += line("", name_width, columns, [](const Column& column) { return column.title; });
  std::size_t shown = 0;
  for (const std::string& site : sites) {
    if (shown++ == most) break;
    text += line(printable(site), name_width, columns, [&](const Column& column) {
      const auto value = column.at(site);
      return value ? fixed(*value, 4) : std::string("-");
    });
  }
  if (sites.size() > most) {
    text += concat("\n  and ", sites.size() - most, " more, which summary.json has");
  }
  const auto spread_of = [&](const Column& column) {
    std::vector<double> values;
    for (const std::string& site : sites) {
      if (const auto value = column.at(site)) values.push_back(*value);
    }
    return spread(values);
  };
  text += line("mean", name_width, columns,
               [&](const Column& column) { return fixed(spread_of(column).mean, 4); });
  text += line("std", name_width, columns, [&](const Column& column) {
    const auto std = spread_of(column).std;
    return std ? fixed(*std, 4) : std::string("-");
  });
  return text;
}

}  // namespace harmofl
