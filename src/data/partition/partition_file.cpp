// SPDX-License-Identifier: Apache-2.0
#include "data/partition/partition_file.hpp"

#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace harmofl {
namespace {

constexpr const char* header = "client,split,site,id";
constexpr const char* remedy = "Give the partition.csv of a run, as it was written.";
constexpr std::size_t columns = 4;

std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// Reads a table record by record; a quoted cell may hold line ends.
class Records {
 public:
  Records(const std::string& text, std::string name) : text_(text), name_(std::move(name)) {}

  /// The next record; nothing behind the last one.
  std::optional<std::vector<std::string>> next() {
    if (at_ == text_.size()) return std::nullopt;
    ++record_;
    std::vector<std::string> cells{""};
    bool quoted = false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      const bool doubled = quoted && c == '"' && at_ < text_.size() && text_[at_] == '"';
      if (doubled) {
        cells.back() += text_[at_++];
      } else if (c == '"') {
        quoted = !quoted;
      } else if (!quoted && c == ',') {
        cells.emplace_back();
      } else if (!quoted && c == '\n') {
        return cells;
      } else {
        cells.back() += c;
      }
    }
    fail("ends in the middle of a line");
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw UserError(concat(name_, ": record ", record_, " ", problem, ". ", remedy));
  }

 private:
  const std::string& text_;
  std::string name_;
  std::size_t at_ = 0;
  std::int64_t record_ = 0;
};

/// Finds samples by what the file says of them; each can be taken once.
class Directory {
 public:
  explicit Directory(const std::vector<ShardIndex>& shards) {
    for (std::int64_t shard = 0; shard < std::ssize(shards); ++shard) {
      const ShardIndex& source = shards[static_cast<std::size_t>(shard)];
      for (const Split split : all_splits) {
        const auto& ids = source.split(split).ids;
        for (std::int64_t row = 0; row < std::ssize(ids); ++row) {
          samples_[{std::string(to_string(split)), source.info.site,
                    ids[static_cast<std::size_t>(row)]}] = {shard, row};
        }
      }
    }
  }

  /// Removes the sample of a record (client, split, site, id) and returns it; nothing when it is
  /// not there.
  std::optional<SampleRef> remove(const std::vector<std::string>& cells) {
    const auto found = samples_.find({cells[1], cells[2], cells[3]});
    if (found == samples_.end()) return std::nullopt;
    const SampleRef sample = found->second;
    samples_.erase(found);
    return sample;
  }

  bool empty() const { return samples_.empty(); }
  const std::string& any_id() const { return std::get<2>(samples_.begin()->first); }

 private:
  std::map<std::tuple<std::string, std::string, std::string>, SampleRef> samples_;
};

std::size_t split_index(const std::string& name) {
  const auto named = [&](Split split) { return to_string(split) == name; };
  return static_cast<std::size_t>(*std::ranges::find_if(all_splits, named));
}

}  // namespace

std::string partition_text(const Partition& partition, const std::vector<ShardIndex>& shards) {
  std::string text = concat(header, "\n");
  for (const ClientPart& part : partition.clients) {
    for (const Split split : all_splits) {
      for (const SampleRef& sample : part.split(split)) {
        const ShardIndex& shard = shards[static_cast<std::size_t>(sample.shard)];
        const std::string& id = shard.split(split).ids[static_cast<std::size_t>(sample.row)];
        text.append(cell(part.name)).append(",").append(to_string(split)).append(",");
        text.append(cell(shard.info.site)).append(",").append(cell(id)).append("\n");
      }
    }
  }
  return text;
}

Partition parse_partition(const std::string& text, const std::vector<ShardIndex>& shards,
                          const std::filesystem::path& name) {
  Records records(text, name.string());
  const auto titles = records.next();
  if (!titles || join(*titles, ",") != header) records.fail(concat("is not ", header));
  Directory directory(shards);
  Partition partition;
  std::map<std::string, std::size_t> positions;
  while (const auto cells = records.next()) {
    if (cells->size() != columns) records.fail(concat("has ", cells->size(), " cells, not 4"));
    const std::optional<SampleRef> sample = directory.remove(*cells);
    if (!sample) {
      records.fail(concat("names image '", (*cells)[3], "' of site '", (*cells)[2], "' in ",
                          (*cells)[1], ", which is not in the shards or was named before"));
    }
    const auto [found, fresh] = positions.try_emplace((*cells)[0], partition.clients.size());
    if (fresh) partition.clients.push_back({(*cells)[0], {}});
    partition.clients[found->second].samples[split_index((*cells)[1])].push_back(*sample);
  }
  HARMOFL_VALIDATE(directory.empty(), name.string(), ": image '", directory.any_id(),
                   "' of the shards belongs to no client. ", remedy);
  for (ClientPart& part : partition.clients) {
    for (std::vector<SampleRef>& samples : part.samples) std::ranges::sort(samples);
  }
  return partition;
}

void check_partition_file(const std::filesystem::path& path, const std::string& expected) {
  const std::string found = read_text_file(path);
  if (found == expected) return;
  const auto [one, other] = std::ranges::mismatch(found, expected);
  const auto line = 1 + std::count(found.begin(), one, '\n');
  const auto line_at = [](const std::string& text, auto place) {
    const auto offset = static_cast<std::size_t>(place - text.begin());
    const std::size_t end = std::min(text.find('\n', offset), text.size());
    const std::size_t before = offset == 0 ? std::string::npos : text.rfind('\n', offset - 1);
    const std::size_t start = before == std::string::npos ? 0 : before + 1;
    return end == start ? std::string("nothing")
                        : concat("'", text.substr(start, end - start), "'");
  };
  throw UserError(concat(path.string(), ": line ", line, ": expected ", line_at(expected, other),
                         ", found ", line_at(found, one),
                         ": the images would not be dealt as before. Take the shards, run.seed and "
                         "data.* with which the run began, or begin a new run."));
}

}  // namespace harmofl
