// SPDX-License-Identifier: Apache-2.0
#include "prepare/convert.hpp"

#include "base/log.hpp"
#include "base/timer.hpp"
#include "base/version.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/report.hpp"
#include "prepare/site.hpp"
#include "prepare/splits.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace harmofl::prepare {
namespace {

std::vector<SitePlan> make_plans(const Sources& sources, const Options& options) {
  std::vector<std::string> names;
  for (const auto& [name, samples] : sources.sites) names.push_back(name);
  for (const std::string& wanted : options.sites) {
    const std::string near = closest(wanted, names);
    HARMOFL_VALIDATE(sources.sites.contains(wanted), "--sites: there is no site '", wanted, "'. ",
                     near.empty() ? "" : concat("Did you mean '", near, "'? "),
                     "Sites found: ", join(names), ".");
  }
  std::vector<SitePlan> plans;
  for (ClientId position; position.position() < names.size(); ++position) {
    const std::string& name = names[position.position()];
    const auto& wanted = options.sites;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    const std::vector<Sample>& samples = sources.sites.at(name);
    plans.push_back({name, samples, draw_splits(samples, options.percent, options.seed, position)});
  }
  return plans;
}

ShardInfo make_info(const SitePlan& plan, const Sources& sources, const Options& options) {
  ShardInfo info;
  info.site = plan.name;
  info.task = sources.task;
  info.class_names = sources.class_names;
  info.preprocessing = describe_preprocessing(options, sources.task);
  info.source_checksum = source_checksum(plan);
  return info;
}

/// Whether the shard that is there is what would be made now. Throws UserError when it is not and
/// may not be replaced.
bool is_up_to_date(const std::filesystem::path& shard, const ShardInfo& info, bool overwrite) {
  if (!std::filesystem::exists(shard)) return false;
  std::string reason = "it was made from other images or with other options";
  try {
    const ShardInfo found = ShardReader(shard).info();
    if (found.preprocessing == info.preprocessing && found.class_names == info.class_names &&
        found.source_checksum == info.source_checksum) {
      return true;
    }
  } catch (const UserError& error) {
    reason = concat("it cannot be read (", error.what(), ")");
  }
  HARMOFL_VALIDATE(overwrite, shard.string(), ": this shard exists, and ", reason,
                   ". Give --overwrite to replace it, or another --output.");
  return false;
}

/// Describes a shard that is kept; its pixels are read, which verifies them.
ReportRow report_kept(const SitePlan& plan, const std::filesystem::path& shard) {
  const ShardReader reader(shard);
  std::array<SplitData, 3> splits;
  ReportRow row{.site = plan.name,
                .sources = static_cast<std::int64_t>(plan.samples.size()),
                .counts = {},
                .source_sizes = {},
                .shares = {},
                .duration_s = -1.0};
  for (const Split split : all_splits) {
    const auto index = static_cast<std::size_t>(split);
    splits[index] = reader.read(split);
    row.counts[index] = splits[index].count();
  }
  row.shares = class_shares(splits, reader.info().class_names.size());
  return row;
}

ReportRow make_shard(const SitePlan& plan, ShardInfo info, const std::filesystem::path& shard,
                     const Options& options) {
  const Stopwatch watch;
  const SiteContent content = load_site(plan, info.class_names, options);
  info.channels = content.channels;
  info.height = content.size.height;
  info.width = content.size.width;
  ReportRow row{.site = plan.name,
                .sources = static_cast<std::int64_t>(plan.samples.size()),
                .counts = {},
                .source_sizes = content.source_sizes,
                .shares = class_shares(content.splits, info.class_names.size()),
                .duration_s = 0.0};
  ShardWriter writer(shard, info, options.deflate);
  for (const Split split : all_splits) {
    const auto index = static_cast<std::size_t>(split);
    writer.write(split, content.splits[index]);
    row.counts[index] = content.splits[index].count();
  }
  writer.commit();
  row.duration_s = watch.elapsed_s();
  return row;
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  HARMOFL_VALIDATE(!error && std::filesystem::is_directory(folder), folder.string(),
                   ": this folder cannot be made: ", error.message(),
                   ". Give --output a folder that you may write to.");
}

}  // namespace

std::string describe_preprocessing(const Options& options, Task task) {
  const auto size_text = [](const std::optional<Size>& size) -> nlohmann::json {
    if (!size) return nullptr;
    return to_string(*size);
  };
  const nlohmann::json facts{{"tool", "harmofl-prepare images"},  {"version", build_info().version},
                             {"task", to_string(task)},           {"size", size_text(options.size)},
                             {"patch", size_text(options.patch)}, {"grey", options.grey},
                             {"split_percent", options.percent},  {"seed", options.seed},
                             {"deflate", options.deflate}};
  return facts.dump();
}

ExitCode convert(const Options& options, std::ostream& report) {
  const Sources sources = scan(options);
  const std::vector<SitePlan> plans = make_plans(sources, options);
  make_folder(options.output);
  const auto shard_of = [&](const SitePlan& plan) { return options.output / (plan.name + ".h5"); };

  std::vector<ShardInfo> infos;
  std::vector<bool> kept;
  for (const SitePlan& plan : plans) {  // all of them first, to stop before the work is done
    infos.push_back(make_info(plan, sources, options));
    kept.push_back(is_up_to_date(shard_of(plan), infos.back(), options.overwrite));
  }
  std::vector<ReportRow> rows;
  try {
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const std::filesystem::path shard = shard_of(plans[i]);
      if (kept[i]) log::info(shard.string() + ": same images and options, kept");
      rows.push_back(kept[i] ? report_kept(plans[i], shard)
                             : make_shard(plans[i], infos[i], shard, options));
    }
  } catch (const Interrupted&) {
    log::error("interrupted: finished shards stay, the same command continues");
    return ExitCode::interrupted;
  }
  print_report(report, rows, sources.class_names, sources.task);
  return ExitCode::done;
}

}  // namespace harmofl::prepare
