// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "io/formats/csv.hpp"
#include "prepare/scan/folder_content.hpp"
#include "prepare/scan/scan_layouts.hpp"

#include <utility>

namespace harmofl::prepare {
namespace {

namespace fs = std::filesystem;
using Row = std::map<std::string, std::string>;

std::string get(const Row& row, const std::string& column) {
  const auto found = row.find(column);
  return found == row.end() ? std::string() : found->second;
}

std::optional<Split> parse_split_name(const std::string& list, const Row& row) {
  const std::string name = get(row, "split");
  if (name.empty()) return std::nullopt;
  for (const Split split : all_splits) {
    if (name == to_string(split)) return split;
  }
  throw UserError(concat(list, ": image '", get(row, "id"), "': '", name,
                         "' is not a split. Write train, val or test, or nothing to draw it."));
}

Task task_of(const CsvTable& table, const Options& options) {
  if (options.task) return *options.task;
  HARMOFL_VALIDATE(!(table.has("label") && table.has("mask")), options.list->string(),
                   ": there are both labels and masks. Say which are to be learnt: ",
                   "--task segmentation or --task classification.");
  return table.has("label") ? Task::classification : Task::segmentation;
}

/// A path below the input folder. Throws UserError for one that leads out of it.
fs::path below_input(const fs::path& path, const Options& options, const std::string& id) {
  HARMOFL_VALIDATE(stays_below(path), options.list->string(), ": image '", id, "': the path '",
                   path.string(), "' leads out of the input folder. Write paths relative to ",
                   options.input.string(), ".");
  return options.input / path;
}

Sample to_sample(const Row& row, Task task, const Options& options, FolderIndex& folders) {
  const std::string id = get(row, "id");
  const std::string path = get(row, "path");
  Sample sample;
  sample.id = id;
  if (path.empty()) {
    const fs::path usual = below_input(fs::path(get(row, "site")) / id, options, id);
    sample.image = folders.image(usual.parent_path(), usual.filename().string());
  } else {
    sample.image = below_input(path, options, id);
  }
  sample.split = parse_split_name(options.list->string(), row);
  sample.patient = get(row, "patient");
  if (task == Task::classification) {
    sample.label = get(row, "label");
    return sample;
  }
  const std::string mask = get(row, "mask");
  const std::string beside = sample.image.stem().string() + mask_ending;
  sample.mask = mask.empty() ? folders.image(sample.image.parent_path(), beside)
                             : below_input(mask, options, id);
  return sample;
}

}  // namespace

Sources scan_list(const Options& options) {
  const CsvTable table = read_csv(*options.list);
  for (const char* column : {"id", "site"}) {
    HARMOFL_VALIDATE(table.has(column), options.list->string(), ": there is no column '", column,
                     "'; found: ", join(table.columns), ". Needed are id and site; path, mask, ",
                     "label, split and patient may be added.");
  }
  Sources sources;
  sources.task = task_of(table, options);
  FolderIndex folders;
  for (const Row& row : table.rows) {
    HARMOFL_VALIDATE(!get(row, "id").empty(), options.list->string(),
                     ": a row has no id. Give every row an id.");
    sources.sites[get(row, "site")].push_back(to_sample(row, sources.task, options, folders));
  }
  return sources;
}

}  // namespace harmofl::prepare
