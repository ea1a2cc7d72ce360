// SPDX-License-Identifier: Apache-2.0
// Zone intel-rapl:N is a package (of AMD's processors too), intel-rapl:N:M a part of it. Of the
// parts only memory is no share of the package. "psys" is the whole board, packages included, and
// intel-rapl-mmio:N a second view of package N.
#include "base/energy/powercap.hpp"

#include "harmofl/base/number_text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

constexpr const char* prefix = "intel-rapl:";
constexpr double microjoules = 1e6;

std::string first_line(const fs::path& path) {
  errno = 0;
  std::ifstream file(path);
  std::string line;
  if (std::getline(file, line)) return line;
  const int error = errno;
  throw NoEnergy(concat(path.string(), " cannot be read (",
                        error == 0 ? "it is empty" : std::strerror(error), "). As root: chmod a+r ",
                        path.parent_path().parent_path().string(), "/", prefix, "*/energy_uj"));
}

std::int64_t whole_in(const fs::path& path, WholeRange range) {
  const std::string text = first_line(path);
  const std::optional<std::int64_t> value = parse_whole(text);
  if (value && range.holds(*value)) return *value;
  throw NoEnergy(concat(path.string(), " holds '", printable(text), "', not ", range.text(),
                        ". Is it the kernel's?"));
}

bool is_part(const std::string& zone) { return std::ranges::count(zone, ':') > 1; }

/// "intel-rapl:1" of "intel-rapl:1:0".
std::string package_of(const std::string& zone) { return zone.substr(0, zone.rfind(':')); }

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (entry->path().filename().string().starts_with(prefix)) found.push_back(entry->path());
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace

std::int64_t counted(std::int64_t before, std::int64_t now, std::int64_t largest) {
  return now >= before ? now - before : largest - before + now;
}

PowercapEnergy::PowercapEnergy(const fs::path& folder) {
  constexpr std::int64_t most = std::int64_t{1} << 62;
  for (const fs::path& zone : folders_in(folder)) {
    const std::string folder_name = zone.filename().string();
    std::string name = first_line(zone / "name");
    const bool part = is_part(folder_name);
    if (part ? name != "dram" : name == "psys") continue;
    if (part) name += " of " + first_line(folder / package_of(folder_name) / "name");
    const std::int64_t largest = whole_in(zone / "max_energy_range_uj", {1, most});
    const fs::path counter = zone / "energy_uj";
    zones_.push_back({name, counter, largest, whole_in(counter, {0, largest})});
  }
  if (!zones_.empty()) return;
  throw NoEnergy(concat(folder.string(), " has no zone ", prefix, "*. The machine has no such ",
                        "counters, hides them from this virtual machine or container, or lacks ",
                        "the kernel module intel_rapl_msr"));
}

std::string PowercapEnergy::name() const {
  std::vector<std::string> names;
  for (const Zone& zone : zones_) names.push_back(zone.name);
  return join(names);
}

double PowercapEnergy::joules() {
  double sum = 0.0;
  for (Zone& zone : zones_) {
    const std::int64_t now = whole_in(zone.counter, {0, zone.largest});
    sum += static_cast<double>(counted(zone.last, now, zone.largest)) / microjoules;
    zone.last = now;
  }
  return sum;
}

// Four times within what the smallest counter holds of 1000 W, more than a package draws.
double PowercapEnergy::read_every_s() const {
  constexpr double watts = 4000.0;
  const std::int64_t least = std::ranges::min_element(zones_, {}, &Zone::largest)->largest;
  return std::clamp(static_cast<double>(least) / microjoules / watts, 0.05, 60.0);
}

}  // namespace harmofl
