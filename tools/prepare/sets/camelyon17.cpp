// SPDX-License-Identifier: Apache-2.0
#include "prepare/sets/camelyon17.hpp"

#include "base/checksum.hpp"
#include "base/log.hpp"
#include "base/process/interrupt.hpp"
#include "base/read_file.hpp"
#include "base/timer.hpp"
#include "base/version.hpp"
#include "harmofl/base/text.hpp"
#include "io/atomic_file.hpp"
#include "io/formats/csv.hpp"
#include "prepare/pixels/image.hpp"
#include "prepare/shards/existing_shard.hpp"
#include "prepare/shards/site_job.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <system_error>

namespace harmofl::prepare {
namespace {

namespace fs = std::filesystem;

constexpr Size patch_size{96, 96};
/// A larger image is refused before it takes memory, whatever it holds.
constexpr std::int64_t most_pixels = std::int64_t{1} << 20;

/// One hospital on its way into its shard.
struct Hospital {
  std::size_t number = 0;
  std::string site;
  fs::path shard;
  std::vector<Split> splits{};
  bool kept = false;
};

std::string site_of(std::size_t hospital) { return concat("hospital", hospital); }

/// What was left out, and how much may be. Each hospital has a list of its own, since several
/// processes may make some each.
class Missing {
 public:
  /// Removes the lists that earlier calls wrote of `hospitals`.
  Missing(fs::path folder, const std::vector<Hospital>& hospitals, std::int64_t allowed)
      : folder_(std::move(folder)), allowed_(allowed) {
    std::error_code none;
    for (const Hospital& hospital : hospitals) fs::remove(list_of(hospital.site), none);
  }

  void add(const std::string& site, const std::string& id, const fs::path& file,
           const std::string& problem) {
    rows_[site] += concat(id, ',', csv_field(file.string()), ',', csv_field(problem), '\n');
    ++count_;
  }

  /// Writes the lists. Throws UserError when they are longer than is allowed.
  void check() const {
    for (const auto& [site, rows] : rows_)
      write_text_file(list_of(site), "id,file,problem\n" + rows);
    HARMOFL_VALIDATE(count_ <= allowed_, lists(), ": list ", count_,
                     " patches that are missing or ", "damaged; at most ", allowed_,
                     " may be. Put them in their places, or give ", "--allow-missing ", count_,
                     " to leave them out.");
  }

  std::int64_t count() const { return count_; }

  /// Names of the lists.
  std::string lists() const {
    std::vector<std::string> names;
    for (const auto& [site, rows] : rows_) names.push_back(list_of(site).string());
    return join(names);
  }

 private:
  fs::path list_of(const std::string& site) const { return folder_ / (site + "_missing.csv"); }

  fs::path folder_;
  std::int64_t allowed_ = 0;
  std::int64_t count_ = 0;
  std::map<std::string, std::string> rows_;  ///< Of each list.
};

Decoded decode_patch(const CamelyonTable& table, const Patch& patch, const fs::path& file) {
  Decoded decoded;
  decoded.checksums = checksums_of({file});
  try {
    decoded.problem = why_not_a_file(file);
    if (!decoded.problem.empty()) return decoded;
    Image image = read_opaque_image(file, most_pixels);
    decoded.source_size = image.size;
    HARMOFL_VALIDATE(image.size == patch_size, file.string(), ": this patch is ",
                     to_string(image.size), "; expected ", to_string(patch_size), ".");
    decoded.pieces.push_back({table.id(patch), std::move(image), {}, patch.tumour ? 1 : 0});
  } catch (const UserError& error) {
    decoded.problem = error.what();
  }
  return decoded;
}

ShardInfo make_info(const Hospital& hospital, const CamelyonOptions& options) {
  nlohmann::json facts{{"tool", "harmofl-prepare camelyon17"},
                       {"version", build_info().version},
                       {"task", to_string(Task::classification)},
                       {"split", to_string(options.split)},
                       {"seed", options.set.seed},
                       {"deflate", options.set.deflate}};
  if (options.split != CamelyonSplit::wilds) facts["split_percent"] = options.set.percent;
  ShardInfo info;
  info.site = hospital.site;
  info.task = Task::classification;
  info.class_names = {"normal", "tumour"};
  info.preprocessing = facts.dump();
  return info;
}

void add_text(Checksum& sum, std::string_view text) {
  constexpr char end = '\0';
  sum.add(std::as_bytes(std::span(text)));
  sum.add(std::as_bytes(std::span(&end, 1)));
}

/// As of the shards of images: id, label, split, checksum of the file, patient.
std::string source_checksum(const CamelyonTable& table, const Hospital& hospital,
                            const std::function<std::string(std::size_t)>& checksum) {
  const std::vector<Patch>& patches = table.hospitals[hospital.number];
  Checksum sum;
  for (std::size_t i = 0; i < patches.size(); ++i) {
    add_text(sum, table.id(patches[i]));
    add_text(sum, patches[i].tumour ? "tumour" : "normal");
    add_text(sum, to_string(hospital.splits[i]));
    add_text(sum, checksum(i));
    add_text(sum, table.patients[patches[i].patient]);
  }
  return sum.digest();
}

SiteJob make_job(const CamelyonTable& table, const Hospital& hospital,
                 const CamelyonOptions& options) {
  const std::vector<Patch>& patches = table.hospitals[hospital.number];
  const auto patch = [&patches](std::int64_t i) -> const Patch& {
    return patches[static_cast<std::size_t>(i)];
  };
  const auto file = [&table, &options, patch](std::int64_t i) {
    return options.set.input / table.file(patch(i));
  };
  SiteJob job;
  job.name = hospital.site;
  job.count = std::ssize(patches);
  job.unit = "images";
  job.threads = options.set.jobs;
  job.purpose = concat("camelyon17 ", build_info().version, ' ', options.set.input.string());
  for (const Patch& one : patches) job.purpose += concat('\n', table.id(one), ' ', one.tumour);
  job.files = [file](std::int64_t i) { return std::vector<fs::path>{file(i)}; };
  job.decode = [&table, patch, file](std::int64_t i) {
    return decode_patch(table, patch(i), file(i));
  };
  return job;
}

bool is_kept(const CamelyonTable& table, const Hospital& hospital, const CamelyonOptions& options) {
  if (fs::exists(hospital.shard)) {
    ShardInfo info = make_info(hospital, options);
    const std::vector<Patch>& patches = table.hospitals[hospital.number];
    info.source_checksum = source_checksum(table, hospital, [&](std::size_t i) {
      if (interrupt_requested()) throw Interrupted{};
      return checksums_of({options.set.input / table.file(patches[i])});
    });
    if (is_up_to_date(hospital.shard, info, options.set.overwrite, "images")) return true;
  }
  check_replaceable(hospital.shard);
  return false;
}

/// The hospitals that were asked for and have patches.
std::vector<Hospital> choose_hospitals(const CamelyonTable& table, const CamelyonOptions& options) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < hospital_count; ++i) {
    if (!table.hospitals[i].empty()) names.push_back(site_of(i));
  }
  for (const std::string& site : options.set.sites) {
    HARMOFL_VALIDATE(std::ranges::find(names, site) != names.end(), "--sites: there is no site '",
                     site, "'. Sites found: ", join(names), ".");
  }
  std::vector<Hospital> chosen;
  for (std::size_t i = 0; i < hospital_count; ++i) {
    const std::string site = site_of(i);
    const auto& wanted = options.set.sites;
    const bool asked = wanted.empty() || std::ranges::find(wanted, site) != wanted.end();
    if (!asked || table.hospitals[i].empty()) continue;
    chosen.push_back(
        {i, site, options.set.output / (site + ".h5"), deal_patches(table, i, options)});
  }
  HARMOFL_VALIDATE(!chosen.empty(), options.set.input.string(), ": metadata.csv names no patches. ",
                   "Give the metadata.csv of Camelyon17-WILDS 1.0.");
  return chosen;
}

/// Files that are not there are found before any is read.
void check_files(const CamelyonTable& table, const std::vector<Hospital>& hospitals,
                 const CamelyonOptions& options) {
  Missing missing(options.set.output, hospitals, options.allow_missing);
  for (const Hospital& hospital : hospitals) {
    for (const Patch& patch : table.hospitals[hospital.number]) {
      if (interrupt_requested()) throw Interrupted{};
      const fs::path file = options.set.input / table.file(patch);
      const std::string why = why_not_a_file(file);
      if (!why.empty()) missing.add(hospital.site, table.id(patch), file, why);
    }
  }
  missing.check();
}

/// Lists what an earlier call left out of a shard that is kept.
ReportRow keep_shard(const CamelyonTable& table, const Hospital& hospital, Missing& missing) {
  log::info(hospital.shard.string() + ": same images and options, kept");
  std::set<std::string> stored;
  const ShardReader reader(hospital.shard);
  for (const Split split : all_splits) {
    stored.insert(reader.ids(split).begin(), reader.ids(split).end());
  }
  for (const Patch& patch : table.hospitals[hospital.number]) {
    if (stored.contains(table.id(patch))) continue;
    missing.add(hospital.site, table.id(patch), table.file(patch), "left out by an earlier call");
  }
  missing.check();
  return report_kept(hospital.shard, std::ssize(table.hospitals[hospital.number]));
}

ReportRow make_shard(const CamelyonTable& table, const Hospital& hospital,
                     const CamelyonOptions& options, Missing& missing) {
  const Stopwatch watch;
  const std::vector<Patch>& patches = table.hospitals[hospital.number];
  const SiteJob job = make_job(table, hospital, options);
  DecodedSite decoded(job, hospital.shard);
  for (std::size_t i = 0; i < patches.size(); ++i) {
    const std::string& problem = decoded.waiting()[i].problem;
    if (!problem.empty()) {
      missing.add(hospital.site, table.id(patches[i]), table.file(patches[i]), problem);
    }
  }
  missing.check();
  ShardInfo info = make_info(hospital, options);
  decoded.describe(info);
  info.source_checksum = source_checksum(
      table, hospital, [&](std::size_t i) { return decoded.waiting()[i].checksums; });
  const auto place = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  ReportRow row = decoded.write(
      info, options.set.deflate,
      {.split = [&](std::int64_t i, std::int64_t) { return hospital.splits[place(i)]; },
       .patient = [&](std::int64_t i) { return table.patients[patches[place(i)].patient]; }});
  row.duration_s = watch.elapsed_s();
  return row;
}

std::vector<ReportRow> make_shards(const CamelyonTable& table, std::vector<Hospital>& hospitals,
                                   const CamelyonOptions& options) {
  for (Hospital& hospital : hospitals) hospital.kept = is_kept(table, hospital, options);
  check_files(table, hospitals, options);
  Missing missing(options.set.output, hospitals, options.allow_missing);
  std::vector<ReportRow> rows;
  for (const Hospital& hospital : hospitals) {
    rows.push_back(hospital.kept ? keep_shard(table, hospital, missing)
                                 : make_shard(table, hospital, options, missing));
  }
  if (missing.count() > 0) {
    log::warn_once(
        concat(missing.count(), " patches are left out, which these list: ", missing.lists()));
  }
  return rows;
}

}  // namespace

ExitCode convert_camelyon17(const CamelyonOptions& options, std::ostream& report) {
  const fs::path metadata = options.set.input / "metadata.csv";
  const CamelyonTable table = parse_camelyon_table(read_text_file(metadata), metadata.string());
  std::vector<Hospital> hospitals = choose_hospitals(table, options);
  make_folder(options.set.output);
  try {
    const std::vector<ReportRow> rows = make_shards(table, hospitals, options);
    print_report(report, rows, {"normal", "tumour"}, Task::classification);
  } catch (const Interrupted&) {
    log::error("interrupted: what is done stays, the same command continues");
    return ExitCode::interrupted;
  }
  return ExitCode::done;
}

}  // namespace harmofl::prepare
