// SPDX-License-Identifier: Apache-2.0
#include "prepare/images/convert.hpp"

#include "base/log.hpp"
#include "base/process/memory.hpp"
#include "base/timer.hpp"
#include "base/version.hpp"
#include "harmofl/base/text.hpp"
#include "io/atomic_file.hpp"
#include "prepare/scan/splits.hpp"
#include "prepare/shards/existing_shard.hpp"
#include "prepare/shards/report.hpp"
#include "prepare/shards/site.hpp"

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

/// What the shard says of itself, as far as it is known before the images are read.
ShardInfo make_info(const SitePlan& plan, const Sources& sources, const Options& options) {
  ShardInfo info;
  info.site = plan.name;
  info.task = sources.task;
  info.class_names = sources.class_names;
  info.preprocessing = describe_preprocessing(options, sources.task);
  return info;
}

/// Whether the shard of a site is there and may stay. Throws UserError when it may not be replaced.
bool is_kept(const SitePlan& plan, ShardInfo info, const std::filesystem::path& shard,
             const Options& options) {
  if (std::filesystem::exists(shard)) {
    SampleChecksums checksums;
    info.source_checksum =
        source_checksum(plan, [&](std::size_t i) { return checksums.of(plan.samples[i]); });
    if (is_up_to_date(shard, info, options.overwrite, "images")) return true;
  }
  check_replaceable(shard);
  return false;
}

ReportRow make_shard(const SitePlan& plan, ShardInfo info, const std::filesystem::path& shard,
                     const Options& options) {
  const Stopwatch watch;
  const SiteJob job = images_job(plan, info.class_names, options, info.preprocessing);
  DecodedSite decoded(job, shard);
  decoded.describe(info);
  info.source_checksum =
      source_checksum(plan, [&](std::size_t i) { return decoded.waiting()[i].checksums; });
  const auto sample = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  ReportRow row =
      decoded.write(info, options.deflate,
                    {.split = [&](std::int64_t i, std::int64_t) { return plan.splits[sample(i)]; },
                     .patient = [&](std::int64_t i) { return plan.samples[sample(i)].patient; }});
  row.duration_s = watch.elapsed_s();
  return row;
}

/// Throws UsageError for a --size of which a single image would not fit into memory.
void check_output_size(const Options& options) {
  if (!options.size) return;
  constexpr std::int64_t copies = 3;  // as it is resampled, gathered and written
  const std::int64_t planes = (options.grey ? 1 : 3) + 1;
  const std::int64_t needed = options.size->height * options.size->width * planes * copies;
  const std::int64_t most = machine_memory_bytes() / 4;
  if (needed <= most) return;
  throw UsageError(concat("--size ", to_string(*options.size), ": an image takes ", needed,
                          " bytes while it is made; expected at most ", most,
                          ", a quarter of this machine's memory. Give a smaller --size."));
}

}  // namespace

std::string describe_preprocessing(const Options& options, Task task) {
  const auto size_text = [](const std::optional<Size>& size) -> nlohmann::json {
    if (!size) return nullptr;
    return to_string(*size);
  };
  nlohmann::json facts{{"tool", "harmofl-prepare images"},  {"version", build_info().version},
                       {"task", to_string(task)},           {"size", size_text(options.size)},
                       {"patch", size_text(options.patch)}, {"grey", options.grey},
                       {"split_percent", options.percent},  {"seed", options.seed},
                       {"deflate", options.deflate}};
  // Only what was asked for, so that shards of before these options are still kept.
  if (options.layout != "folders") facts["layout"] = options.layout;
  if (options.mask.threshold) facts["mask_threshold"] = *options.mask.threshold;
  if (options.mask.instances) facts["instances"] = true;
  if (!options.mask.classes.empty()) facts["mask_values"] = options.mask.classes;
  return facts.dump();
}

ExitCode convert(const Options& options, std::ostream& report) {
  check_output_size(options);
  const Sources sources = scan(options);
  const std::vector<SitePlan> plans = make_plans(sources, options);
  make_folder(options.output);
  const auto shard_of = [&](const SitePlan& plan) { return options.output / (plan.name + ".h5"); };

  std::vector<ShardInfo> infos;
  std::vector<bool> kept;
  for (const SitePlan& plan : plans) {  // all of them first, to stop before the work is done
    infos.push_back(make_info(plan, sources, options));
    kept.push_back(is_kept(plan, infos.back(), shard_of(plan), options));
  }
  std::vector<ReportRow> rows;
  try {
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const std::filesystem::path shard = shard_of(plans[i]);
      if (kept[i]) log::info(shard.string() + ": same images and options, kept");
      rows.push_back(kept[i] ? report_kept(shard, std::ssize(plans[i].samples))
                             : make_shard(plans[i], infos[i], shard, options));
    }
  } catch (const Interrupted&) {
    log::error("interrupted: what is done stays, the same command continues");
    return ExitCode::interrupted;
  }
  print_report(report, rows, sources.class_names, sources.task);
  return ExitCode::done;
}

}  // namespace harmofl::prepare
