// SPDX-License-Identifier: Apache-2.0
#include "base/process/processor.hpp"

#include "harmofl/base/text.hpp"

#include <fstream>

namespace harmofl {

std::string processor_model(std::istream& cpuinfo) {
  for (std::string line; std::getline(cpuinfo, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t first = line.find_first_not_of(" \t", colon + 1);
    return first == std::string::npos ? "" : printable(line.substr(first));
  }
  return "";
}

std::string processor_model() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  return processor_model(cpuinfo);
}

}  // namespace harmofl
