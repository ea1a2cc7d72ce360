// SPDX-License-Identifier: Apache-2.0
#include "app/config/train_help.hpp"

#include "app/config/keys.hpp"
#include "harmofl/base/text.hpp"
#include "harmofl/fl/algorithm.hpp"

#include <algorithm>
#include <sstream>

namespace harmofl {
namespace {

constexpr std::size_t line_width = 100;
constexpr std::size_t meaning_column = 40;

/// `left`, and `text` beside it from `meaning_column` on, in as many lines as it needs.
std::string beside(const std::string& left, const std::string& text) {
  std::string lines = left;
  std::size_t used = left.size();
  std::istringstream words(text);
  bool first = true;
  for (std::string word; words >> word; first = false) {
    const std::size_t space = first ? 2 : 1;
    const bool fits = used + space + word.size() <= line_width;
    if (!first && !fits) {
      lines += '\n';
      used = 0;
    }
    const std::size_t begin = first || !fits ? std::max(meaning_column, used + 2) : used + 1;
    lines.append(begin - used, ' ') += word;
    used = begin + word.size();
  }
  return lines + "\n";
}

/// "auto: 0, with fedsam, harmofl 0.05": what the methods make of `auto`; "" where they do not.
std::string auto_text(const Key& key) {
  std::map<std::string, std::vector<std::string>> methods;
  for (const AlgorithmEntry& entry : algorithms()) {
    const auto found = entry.defaults.find(key.name);
    if (found != entry.defaults.end()) methods[found->second].push_back(entry.name);
  }
  std::vector<std::string> texts;
  if (!key.usual_of_auto.empty()) texts.push_back("auto: " + key.usual_of_auto);
  for (const auto& [value, names] : methods) {
    texts.push_back(concat("with ", join(names), " ", value));
  }
  return join(texts, "; ");
}

std::string describe(const Key& key) {
  const std::string unit = key.unit.empty() ? "" : " " + key.unit;
  std::vector<std::string> choices = key.value.shown;
  const bool is_flag = key.value.choices == std::vector<std::string>{"true", "false"};
  if (key.is_open("auto") && !choices.empty()) choices.insert(choices.begin(), "auto");
  std::string meaning = key.meaning;
  if (!choices.empty() && !is_flag) meaning += ": " + join(choices, " | ");
  if (const std::string text = auto_text(key); !text.empty()) meaning += "; " + text;
  return beside(concat("  --", key.name, " [", key.default_text, "]", unit), meaning);
}

std::string keys_text(const std::string& title, const std::function<bool(const Key&)>& wanted) {
  std::string text;
  for (const Key& key : config_keys()) {
    if (wanted(key)) text += describe(key);
  }
  return text.empty() ? "" : "\n" + title + "\n" + text;
}

}  // namespace

std::string train_help() {
  std::string text =
      "usage: [mpirun -n RANKS] harmofl train --config FILE [--SECTION.KEY VALUE ...]\n\n" +
      beside("  --config FILE", "INI file with any of the keys below") +
      beside("  --dry-run[=time|json]",
             "check all input, show the plan with steps, bytes and memory, and leave; with =time "
             "after some steps, from which it estimates the hours, with =json for programs") +
      beside("  --resume", "as run.resume = true") +
      beside("  --accept-changed-data",
             "with --resume: go on though the shards are not those of the run; run.json says so") +
      beside("  -h, --help", "show this text") +
      "\nKeys as options, --train.lr 0.1, or in a file, [train] and lr = 0.1; defaults in [].\n";
  text += keys_text("Needed first", [](const Key& key) { return key.is(needed_first); });
  std::vector<std::string> sections;
  for (const Key& key : config_keys()) {
    const std::string section = key.section();
    if (std::ranges::find(sections, section) != sections.end()) continue;
    sections.push_back(section);
    text += keys_text("[" + section + "]", [&](const Key& other) {
      return other.section() == section && !other.is(needed_first);
    });
  }
  return text;
}

}  // namespace harmofl
