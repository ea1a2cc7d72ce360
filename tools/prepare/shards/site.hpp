// SPDX-License-Identifier: Apache-2.0
/// One site on its way from files to a shard.
#pragma once

#include "harmofl/io/shard.hpp"
#include "prepare/images/options.hpp"
#include "prepare/scan/scan.hpp"
#include "prepare/shards/site_job.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// A site's samples and where each goes.
struct SitePlan {
  std::string name;
  std::vector<Sample> samples;  ///< Sorted by id.
  std::vector<Split> splits;    ///< One a sample.
};

/// Files of a sample: its image and, where it has one, its mask.
std::vector<std::filesystem::path> files_of(const Sample& sample);

/// Checksums of the files of samples, as `checksums_of` gives them; for several threads. A file of
/// arrays, which holds many samples, is read once.
class SampleChecksums {
 public:
  std::string of(const Sample& sample);

 private:
  std::mutex mutex_;
  std::map<std::filesystem::path, std::string> arrays_;
};

/// Checksum over the site's source files and what the list says of them, in the order of ids.
/// `checksums` gives `checksums_of` the files of sample i.
std::string source_checksum(const SitePlan& plan,
                            const std::function<std::string(std::size_t)>& checksums);

/// How all images of a site are read, checked and resampled or cut. Points to its arguments.
SiteJob images_job(const SitePlan& plan, const std::vector<std::string>& class_names,
                   const Options& options, const std::string& preprocessing);

}  // namespace harmofl::prepare
