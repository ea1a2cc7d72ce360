// SPDX-License-Identifier: Apache-2.0
#include "prepare/tables/tabular.hpp"

#include "base/checksum.hpp"
#include "base/version.hpp"
#include "harmofl/base/text.hpp"
#include "io/atomic_file.hpp"
#include "prepare/shards/existing_shard.hpp"
#include "prepare/shards/report.hpp"
#include "prepare/tables/table.hpp"

#include <nlohmann/json.hpp>

#include <cstring>
#include <map>
#include <optional>
#include <vector>

namespace harmofl::prepare {
namespace {

std::vector<const TableRow*> rows_of(const std::vector<TableRow>& rows) {
  std::vector<const TableRow*> pointers;
  for (const TableRow& row : rows) pointers.push_back(&row);
  return pointers;
}

/// What each site's rows are standardised by; nothing where they are not.
std::map<std::string, Scale> scales_of(const Table& table, const TabularOptions& options) {
  const std::string file = options.input.string();
  std::map<std::string, Scale> scales;
  std::vector<const TableRow*> all;
  for (const auto& [site, rows] : table.sites) {
    const std::vector<const TableRow*> own = rows_of(rows);
    all.insert(all.end(), own.begin(), own.end());
    if (options.standardise != Standardise::site) continue;
    scales[site] = scale_of(own, table.features.size(), concat(file, ": site '", site, "'"));
  }
  if (options.standardise != Standardise::all) return scales;
  const Scale scale = scale_of(all, table.features.size(), file);
  for (const auto& [site, rows] : table.sites) scales[site] = scale;
  return scales;
}

/// What decides the values of a site's shard, as JSON with sorted keys.
std::string describe_table(const Table& table, const TabularOptions& options, const Scale* scale) {
  nlohmann::json categories = nlohmann::json::object();
  for (const Category& category : table.categories) categories[category.column] = category.levels;
  nlohmann::json facts{{"tool", "harmofl-prepare tabular"},
                       {"version", build_info().version},
                       {"columns", table.features},
                       {"categories", categories},
                       {"drop_first", options.drop_first},
                       {"label", options.label_column},
                       {"standardise", to_string(options.standardise)}};
  if (scale != nullptr) {
    facts["mean"] = scale->mean;
    facts["std"] = scale->std;
    facts["epsilon"] = scale_epsilon;
  }
  return facts.dump();
}

ShardInfo make_table_info(const std::string& site, const Table& table,
                          const TabularOptions& options, const Scale* scale) {
  ShardInfo info;
  info.site = site;
  info.task = Task::classification;
  info.class_names = table.class_names;
  info.pixel_type = PixelType::float32;
  info.channels = std::ssize(table.features);
  info.height = 1;
  info.width = 1;
  info.intensity_scale = 1.0;
  info.preprocessing = describe_table(table, options, scale);
  info.source_checksum = file_checksum(options.input);
  return info;
}

void add_row(SplitData& data, const TableRow& row, bool patients) {
  data.ids.push_back(row.id);
  data.labels.push_back(row.label);
  if (patients) data.groups.push_back(row.patient);
  for (const double value : row.values) {
    const auto stored = static_cast<float>(value);
    const auto* const bytes = reinterpret_cast<const std::byte*>(&stored);
    data.images.insert(data.images.end(), bytes, bytes + sizeof stored);
  }
}

std::array<SplitData, 3> to_splits(std::vector<TableRow> rows, const Table& table,
                                   const TabularOptions& options, const Scale* scale) {
  std::array<SplitData, 3> splits;
  for (TableRow& row : rows) {
    if (scale != nullptr) standardise(row, *scale, table.features, options.input.string());
    add_row(splits[static_cast<std::size_t>(row.split)], row, !options.patient_column.empty());
  }
  return splits;
}

void report_site(const std::string& site, const std::array<SplitData, 3>& splits,
                 const std::vector<std::string>& class_names, bool kept, std::ostream& report) {
  const std::vector<double> shares = class_shares(splits, class_names.size());
  report << site << ": train " << splits[0].count() << ", val " << splits[1].count() << ", test "
         << splits[2].count() << "; ";
  for (std::size_t k = 0; k < shares.size(); ++k) {
    report << (k > 0 ? ", " : "") << class_names[k] << " " << fixed(100.0 * shares[k], 1) << " %";
  }
  report << (kept ? "; kept" : "") << '\n';
}

}  // namespace

ExitCode convert_table(const TabularOptions& options, std::ostream& report) {
  const Table table = read_table(options);
  const std::map<std::string, Scale> scales = scales_of(table, options);
  make_folder(options.output);
  struct Planned {
    std::string site;
    ShardInfo info;
    std::filesystem::path shard;
    std::array<SplitData, 3> splits;
    bool kept;
  };
  std::vector<Planned> planned;
  for (const auto& [site, rows] : table.sites) {  // all of them first, before any is written
    const auto scale = scales.find(site);
    const Scale* const by = scale == scales.end() ? nullptr : &scale->second;
    ShardInfo info = make_table_info(site, table, options, by);
    const std::filesystem::path shard = options.output / (site + ".h5");
    const bool kept = is_up_to_date(shard, info, options.overwrite, "rows");
    if (!kept) check_replaceable(shard);
    planned.push_back({site, info, shard, to_splits(rows, table, options, by), kept});
  }
  for (const Planned& plan : planned) {
    if (!plan.kept) {
      ShardWriter writer(plan.shard, plan.info);
      for (const Split split : all_splits) {
        writer.write(split, plan.splits[static_cast<std::size_t>(split)]);
      }
      writer.commit();
    }
    report_site(plan.site, plan.splits, table.class_names, plan.kept, report);
  }
  report << std::ssize(table.features) << " features: " << join(table.features) << '\n';
  return ExitCode::done;
}

}  // namespace harmofl::prepare
