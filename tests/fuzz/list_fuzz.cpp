#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "prepare/scan_layouts.hpp"

namespace harmofl::fuzz {

void list(std::string_view input) {
  static MemoryFile file;
  prepare::Options options;
  options.input = "/nonexistent";
  options.list = file.holding(input);
  std::size_t samples = 0;
  for (const auto& [site, found] : prepare::scan_list(options).sites) samples += found.size();
  require(samples <= input.size(), "a sample a line");
  options.list = file.holding(input);
  // Looks for every image as well; none is there.
  options.input = "/proc/self/fdinfo";
  prepare::scan(options);
}

}  // namespace harmofl::fuzz
