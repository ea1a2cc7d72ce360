// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/difference_text.hpp"

#include "app/commands/analyse/result_table.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>

namespace harmofl {
namespace {

/// "1 round", "2 rounds".
std::string rounds_count(std::int64_t rounds) {
  return concat(rounds, rounds == 1 ? " round" : " rounds");
}

std::string or_dash(const std::string& value) { return value.empty() ? "-" : printable(value); }

/// A title and a line a fact, those alone of which `matters` is so.
std::string facts_text(const std::string& title, const std::vector<FactDifference>& facts,
                       bool matters) {
  std::size_t width = 0;
  for (const FactDifference& fact : facts) {
    if (fact.matters == matters) width = std::max(width, fact.name.size());
  }
  if (width == 0) return "";
  std::string text = title + "\n";
  for (const FactDifference& fact : facts) {
    if (fact.matters != matters) continue;
    std::string name = printable(fact.name);
    name.resize(std::max(width, name.size()), ' ');
    text += concat("  ", name, "  ", or_dash(fact.a), " | ", or_dash(fact.b), "\n");
  }
  return text;
}

std::string setup_text(const std::vector<FactDifference>& config,
                       const std::vector<FactDifference>& provenance) {
  std::vector<FactDifference> all = config;
  all.insert(all.end(), provenance.begin(), provenance.end());
  return facts_text("configuration: A | B", config, true) +
         facts_text("data, program, machine: A | B", provenance, true) +
         facts_text("what cannot change the rounds: A | B", all, false);
}

std::string rounds_text(const RunDifference& d) {
  if (d.a.rounds == d.b.rounds) return concat("rounds: ", d.common, ", counted from 0\n");
  return concat("rounds: the first ", d.common, ", counted from 0, which both have (A has ",
                d.a.rounds, ", B ", d.b.rounds, ")\n");
}

std::string measured_text(const DifferingScores& measured) {
  constexpr std::size_t most = 4;
  std::string text = concat("first difference of what was measured: round ", measured.round, "\n");
  for (std::size_t i = 0; i < std::min(most, measured.scores.size()); ++i) {
    const ScoreDifference& score = measured.scores[i];
    text +=
        concat("  ", printable(score.name), "  ", or_dash(score.a), " | ", or_dash(score.b), "\n");
  }
  const std::size_t more = measured.scores.size() - std::min(most, measured.scores.size());
  return text + (more > 0 ? concat("  and ", more, " more numbers of this round\n") : "");
}

std::string shape_text(const TensorDifference& tensor) {
  std::vector<std::string> axes;
  for (const std::int64_t axis : tensor.shape) axes.push_back(concat(axis));
  return concat("[", join(axes), "]");
}

/// A table of the first tensors that differ.
std::string tensors_table(const std::vector<TensorDifference>& tensors) {
  constexpr std::size_t most = 12;
  ResultTable table{
      {"tensor", "shape", "differ", "of", "largest |A-B|", "relative", "float32 steps"}, {}};
  for (std::size_t i = 0; i < std::min(most, tensors.size()); ++i) {
    const TensorDifference& t = tensors[i];
    table.rows.push_back({printable(t.name), shape_text(t), t.differing, t.elements, t.largest,
                          t.largest_relative, t.largest_ulps});
  }
  std::string text;
  const std::string plain = plain_text(table);
  for (std::size_t begin = 0; begin < plain.size();) {
    const std::size_t end = plain.find('\n', begin);
    text += "    " + plain.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  if (tensors.size() > most) text += concat("    and ", tensors.size() - most, " more tensors\n");
  const TensorDifference& first = tensors.front();
  text += concat("    first: element ", first.first, " of ", printable(first.name), ", ",
                 exact_text(first.first_a), " | ", exact_text(first.first_b), "\n");
  std::int64_t not_finite = 0;
  for (const TensorDifference& t : tensors) not_finite += t.not_finite;
  if (not_finite > 0) {
    text += concat("    ", not_finite, " of the elements that differ are NaN or infinite\n");
  }
  return text;
}

std::string group_text(const GroupDifference& group) {
  std::string text = concat("  /", printable(group.group), ": ", group.differing.size(), " of ",
                            group.tensors, " tensors differ\n");
  for (const auto& [side, names] : {std::pair("A", group.only_a), std::pair("B", group.only_b)}) {
    if (!names.empty()) text += concat("    in ", side, " alone: ", printable(join(names)), "\n");
  }
  if (!group.differing.empty()) text += tensors_table(group.differing);
  return text;
}

std::string sizes_text(const CheckpointDifference& difference) {
  std::string text;
  for (const FactDifference& fact : difference.facts) {
    text += concat("  ", fact.name, "  ", or_dash(fact.a), " | ", or_dash(fact.b), "\n");
  }
  constexpr std::size_t most = 4;
  for (std::size_t i = 0; i < std::min(most, difference.groups.size()); ++i) {
    text += group_text(difference.groups[i]);
  }
  if (difference.groups.size() > most) {
    text += concat("  and ", difference.groups.size() - most, " more groups of tensors\n");
  }
  return text;
}

std::string file_names(const CheckpointDifference& difference) {
  return concat(printable(difference.a.string()), " | ", printable(difference.b.string()));
}

bool sums_fast(const RunDifference& d) { return !both_exact(d.a.config, d.b.config); }

std::string computed_text(const RunDifference& d) {
  std::string text = concat("first difference of what was computed: round ", d.computed->round,
                            "\n  ", what_differs(*d.computed), "\n");
  if (d.computed->what.part == RoundPart::average && sums_fast(d)) {
    text += "  (comm.reduce = fast: ranks and placement decide in which order updates are added)\n";
  }
  return text;
}

std::string hashes_text(const RunDifference& d) {
  if (d.fingerprinted == 0) return "not hashed by both (run.fingerprints)";
  return concat("hashes of every tensor and client in ", rounds_count(d.fingerprinted));
}

std::string alike_text(const RunDifference& d) {
  return concat("alike in all that both recorded: ", hashes_text(d), ", measures of ",
                rounds_count(d.common), ", ", d.saved.pairs,
                d.saved.pairs == 1 ? " pair of checkpoints\n" : " pairs of checkpoints\n");
}

std::string closer_text(const RunDifference& d) {
  const std::vector<std::string> commands = commands_to_look_closer(d);
  if (commands.empty()) return "";
  std::string text =
      concat("to see client, tensor and size, have both hash and save round ", *d.first_round(),
             d.saved.last_alike && d.saved.last_alike->rounds <= *d.first_round()
                 ? concat(", from the checkpoints after ", rounds_count(d.saved.last_alike->rounds),
                          ", which are alike")
                 : "",
             ":\n");
  for (const std::string& command : commands) text += concat("  ", printable(command), "\n");
  return text;
}

}  // namespace

std::string difference_text(const RunDifference& d) {
  std::string text = concat("A  ", printable(d.a.folder.string()), "  ", printable(d.a.title),
                            "\nB  ", printable(d.b.folder.string()), "  ", printable(d.b.title),
                            "\n", setup_text(d.config, d.provenance), rounds_text(d));
  for (const std::string& note : d.notes) text += concat("note: ", note, "\n");
  if (d.alike()) return text + alike_text(d);
  if (d.computed) text += computed_text(d);
  if (!d.computed && d.fingerprinted > 0) {
    text += concat("the same: ", hashes_text(d), "\n");
  }
  if (d.measured) text += measured_text(*d.measured);
  if (const auto& other = d.saved.first_other) {
    text += concat("by how much, after ", rounds_count(other->rounds_a), ": ", file_names(*other),
                   "\n", sizes_text(*other));
  }
  return text + closer_text(d);
}

std::string difference_text(const CheckpointDifference& d,
                            const std::vector<FactDifference>& config) {
  std::string text = concat("A  ", printable(d.a.string()), "  after ", rounds_count(d.rounds_a),
                            "\nB  ", printable(d.b.string()), "  after ", rounds_count(d.rounds_b),
                            "\n", setup_text(config, {}));
  if (!d.whole) text += "compared: the models alone, since not both files hold a whole run\n";
  if (d.alike()) return text + concat("alike: all ", d.tensors, " tensors, to the bit\n");
  return text + sizes_text(d);
}

}  // namespace harmofl
