// SPDX-License-Identifier: Apache-2.0
#include "prepare/sets/prostate.hpp"

#include "base/checksum.hpp"
#include "base/log.hpp"
#include "base/timer.hpp"
#include "base/version.hpp"
#include "harmofl/base/text.hpp"
#include "io/atomic_file.hpp"
#include "prepare/scan/splits.hpp"
#include "prepare/shards/existing_shard.hpp"
#include "prepare/shards/site_job.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <span>

namespace harmofl::prepare {
namespace {

namespace fs = std::filesystem;

/// One site on its way into its shard.
struct SiteCases {
  std::string name;
  ClientId position;  ///< Among all sites, by name.
  std::vector<Case> cases;
  fs::path shard;
  bool kept = false;
};

std::string patient_of(const SiteCases& site, std::int64_t i) {
  return concat(site.name, '_', site.cases[static_cast<std::size_t>(i)].id);
}

ShardInfo make_info(const SiteCases& site, const ProstateOptions& options) {
  const nlohmann::json facts{{"tool", "harmofl-prepare prostate"},
                             {"version", build_info().version},
                             {"task", to_string(Task::segmentation)},
                             {"size", to_string(options.size)},
                             {"split_by", options.by_patient ? "patient" : "slice"},
                             {"split_percent", options.set.percent},
                             {"seed", options.set.seed},
                             {"deflate", options.set.deflate}};
  ShardInfo info;
  info.site = site.name;
  info.task = Task::segmentation;
  info.class_names = {"background", "prostate"};
  info.preprocessing = facts.dump();
  return info;
}

/// Over id and checksums of the two files of each volume, in their order.
std::string source_checksum(const SiteCases& site,
                            const std::function<std::string(std::size_t)>& checksums) {
  std::string text;
  for (std::size_t i = 0; i < site.cases.size(); ++i) {
    text += site.cases[i].id;
    text += '\0';
    text += checksums(i);
    text += '\0';
  }
  return checksum(std::as_bytes(std::span(text)));
}

SiteJob make_job(const SiteCases& site, const ProstateOptions& options) {
  const auto one = [&site](std::int64_t i) -> const Case& {
    return site.cases[static_cast<std::size_t>(i)];
  };
  SiteJob job;
  job.name = site.name;
  job.count = std::ssize(site.cases);
  job.unit = "volumes";
  job.threads = options.set.jobs;
  job.purpose = concat("prostate ", build_info().version, ' ', to_string(options.size));
  for (const Case& known : site.cases) job.purpose += '\n' + known.image.string();
  job.files = [one](std::int64_t i) { return std::vector<fs::path>{one(i).image, one(i).mask}; };
  job.decode = [one, &options](std::int64_t i) { return slices_of(one(i), options.size); };
  return job;
}

/// The split of every slice, by volume.
std::vector<std::vector<Split>> deal_slices(const SiteCases& site, const DecodedSite& decoded,
                                            const ProstateOptions& options) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < site.cases.size(); ++i) {
    for (std::int64_t k = 0; k < decoded.waiting()[i].pieces; ++k) {
      Sample& sample = samples.emplace_back();
      sample.id = concat(i, ' ', k);
      if (options.by_patient) sample.patient = site.cases[i].id;
    }
  }
  const std::vector<Split> dealt =
      draw_splits(samples, options.set.percent, options.set.seed, site.position);
  std::vector<std::vector<Split>> splits;
  std::size_t next = 0;
  for (const Waiting& waiting : decoded.waiting()) {
    auto& of_volume = splits.emplace_back();
    for (std::int64_t k = 0; k < waiting.pieces; ++k) of_volume.push_back(dealt[next++]);
  }
  return splits;
}

bool is_kept(const SiteCases& site, const ProstateOptions& options) {
  if (fs::exists(site.shard)) {
    ShardInfo info = make_info(site, options);
    info.source_checksum = source_checksum(site, [&](std::size_t i) {
      return checksums_of({site.cases[i].image, site.cases[i].mask});
    });
    if (is_up_to_date(site.shard, info, options.set.overwrite, "volumes")) return true;
  }
  check_replaceable(site.shard);
  return false;
}

ReportRow make_shard(const SiteCases& site, const ProstateOptions& options) {
  const Stopwatch watch;
  const SiteJob job = make_job(site, options);
  DecodedSite decoded(job, site.shard);
  ShardInfo info = make_info(site, options);
  decoded.describe(info);
  info.source_checksum =
      source_checksum(site, [&](std::size_t i) { return decoded.waiting()[i].checksums; });
  if (!info.spacing) {
    log::info(
        concat(site.name, ": volumes differ in the size of their pixels: the shard names none"));
  }
  const auto splits = deal_slices(site, decoded, options);
  ReportRow row =
      decoded.write(info, options.set.deflate,
                    {.split =
                         [&](std::int64_t i, std::int64_t k) {
                           return splits[static_cast<std::size_t>(i)][static_cast<std::size_t>(k)];
                         },
                     .patient = [&](std::int64_t i) { return patient_of(site, i); }});
  row.duration_s = watch.elapsed_s();
  return row;
}

std::vector<SiteCases> choose_sites(const ProstateOptions& options) {
  std::vector<SiteCases> chosen;
  std::vector<std::string> names;
  ClientId position;
  for (auto& [name, cases] : find_cases(options.set.input)) {
    const auto& wanted = options.set.sites;
    names.push_back(name);
    if (wanted.empty() || std::ranges::find(wanted, name) != wanted.end()) {
      chosen.push_back({name, position, cases, options.set.output / (name + ".h5")});
    }
    ++position;
  }
  for (const std::string& wanted : options.set.sites) {
    HARMOFL_VALIDATE(std::ranges::find(names, wanted) != names.end(), "--sites: there is no site '",
                     wanted, "'. Sites found: ", join(names), ".");
  }
  return chosen;
}

}  // namespace

ExitCode convert_prostate(const ProstateOptions& options, std::ostream& report) {
  std::vector<SiteCases> sites = choose_sites(options);
  make_folder(options.set.output);
  std::vector<ReportRow> rows;
  try {
    for (SiteCases& site : sites) site.kept = is_kept(site, options);
    for (const SiteCases& site : sites) {
      if (site.kept) log::info(site.shard.string() + ": same volumes and options, kept");
      rows.push_back(site.kept ? report_kept(site.shard, std::ssize(site.cases))
                               : make_shard(site, options));
    }
  } catch (const Interrupted&) {
    log::error("interrupted: what is done stays, the same command continues");
    return ExitCode::interrupted;
  }
  print_report(report, rows, {"background", "prostate"}, Task::segmentation);
  return ExitCode::done;
}

}  // namespace harmofl::prepare
