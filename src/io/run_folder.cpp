#include "harmofl/io/run_folder.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/io/atomic_file.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace harmofl {
namespace {
constexpr const char* metrics_name = "metrics.jsonl";
constexpr const char* rounds_name = "rounds.jsonl";
}  // namespace

RunFolder::RunFolder(std::filesystem::path folder, bool resume) : folder_(std::move(folder)) {
  std::error_code failed;
  std::filesystem::create_directories(folder_, failed);
  HARMOFL_VALIDATE(!failed, folder_.string(), ": the run folder cannot be made (", failed.message(),
                   "). Set run.output to a folder that you may write.");
  const bool used = has_checkpoint() || std::filesystem::exists(folder_ / metrics_name);
  HARMOFL_VALIDATE(resume || !used, folder_.string(), ": holds a run already. Continue it with ",
                   "--resume, set run.output to another folder, or remove this one.");
}

bool RunFolder::has_checkpoint() const { return std::filesystem::exists(checkpoint()); }

void RunFolder::write(const std::string& name, const std::string& text) const {
  write_text_file(folder_ / name, text);
}

void RunFolder::append_metrics(const std::string& lines) const { append(metrics_name, lines); }
void RunFolder::append_rounds(const std::string& lines) const { append(rounds_name, lines); }

void RunFolder::append(const char* name, const std::string& lines) const {
  const auto path = folder_ / name;
  std::ofstream file(path, std::ios::app | std::ios::binary);
  file << lines << std::flush;
  HARMOFL_VALIDATE(file, path.string(), ": cannot be written (", std::strerror(errno),
                   "). Free space on the disk or set run.output to another folder; then --resume.");
}

void RunFolder::drop_lines_from(std::int64_t first_round) const {
  for (const char* name : {metrics_name, rounds_name}) {
    std::ifstream file(folder_ / name);
    std::string kept, line;
    while (std::getline(file, line)) {
      const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (entry.is_object() && entry.value("round", first_round) < first_round) kept += line + "\n";
    }
    write_text_file(folder_ / name, kept);
  }
}

}  // namespace harmofl
