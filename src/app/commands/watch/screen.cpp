// SPDX-License-Identifier: Apache-2.0
#include "app/commands/watch/screen.hpp"

#include "app/commands/watch/drawing.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace harmofl {
namespace {

constexpr std::int64_t number_width = 8;  ///< Of a column with a measure, a blank before it.

/// A word for the state, and how it is shown.
std::pair<std::string, Tone> word_for(RunPhase phase) {
  switch (phase) {
    case RunPhase::starting:
      return {"starting", Tone::plain};
    case RunPhase::running:
      return {"running", Tone::good};
    case RunPhase::silent:
      return {"silent", Tone::bad};
    case RunPhase::killed:
      return {"killed", Tone::bad};
    case RunPhase::stopped:
      return {"stopped", Tone::bad};
    case RunPhase::finished:
      return {"finished", Tone::good};
  }
  return {"", Tone::plain};
}

double share_done(const RunView& view) {
  const auto wanted = static_cast<double>(std::max<std::int64_t>(1, view.rounds_wanted));
  return static_cast<double>(view.rounds_done) / wanted;
}

bool goes_on(const RunView& view) {
  return view.phase == RunPhase::running || view.phase == RunPhase::silent;
}

double left_s(const RunView& view) {
  const std::int64_t left = std::max<std::int64_t>(0, view.rounds_wanted - view.rounds_done);
  return static_cast<double>(left) * view.usual_s;
}

std::string title_line(const RunView& view, const Screen& screen) {
  const auto [word, tone] = word_for(view.phase);
  ScreenLine line(screen);
  line.add(view.name, Tone::bold).add("  ").add(word, tone).add("  ").add(view.method);
  return line.add("  " + view.folder, Tone::dim).text();
}

/// "round 12 of 100  [bar]   12 %  12.4 s a round  18 min 02 s left".
std::string progress_line(const RunView& view, const Screen& screen) {
  std::string after = concat("  ", fixed(100.0 * share_done(view), 0), " %");
  if (view.usual_s > 0.0) after += concat("  ", human_seconds(view.usual_s), " a round");
  if (goes_on(view) && view.rounds_done < view.rounds_wanted) {
    after += concat("  ", human_seconds(left_s(view)), " left");
  }
  ScreenLine line(screen);
  line.add(concat(view.rounds_done, " of ", view.rounds_wanted, " rounds  "));
  const std::int64_t room = std::min<std::int64_t>(40, line.room() - columns_of(after));
  if (room >= 5) line.add(bar(share_done(view), room, screen));
  return line.add(after).text();
}

/// What is wrong, or how the run ended; "" where there is nothing to say.
std::string state_note(const RunView& view) {
  const std::string age = human_seconds(view.news_age_s);
  const std::string writer = view.writer.empty() ? "" : ": " + view.writer;
  switch (view.phase) {
    case RunPhase::starting:
      return concat("no round has ended yet, after ", age);
    case RunPhase::silent:
      return concat("no news for ", age, ", rounds take ", human_seconds(view.usual_s), writer);
    case RunPhase::killed:
      return concat("its process is gone", writer, ". Go on with --resume.");
    case RunPhase::stopped:
      return concat("no job writes here; the last round ended ", age, " ago. Go on with --resume.");
    case RunPhase::finished:
      return view.stopped_by == "run.patience" ? "ended by run.patience: no better round came" : "";
    case RunPhase::running:
      return "";
  }
  return "";
}

/// "best round 9: val dice 0.8123; last 0.8100  train loss 0.4127".
std::string scores_line(const RunView& view, const Screen& screen) {
  ScreenLine line(screen);
  if (view.best >= 0) {
    const auto best = static_cast<std::size_t>(view.best);
    line.add(concat("best round ", view.measured[best], ": val ", view.measure, " "));
    line.add(value_text(mean_of_val(view, best)), Tone::bold);
    line.add(concat(", last ", value_text(mean_of_val(view, view.measured.size() - 1)), "  "));
  }
  if (!view.train_loss.empty()) {
    line.add(concat("train loss ", value_text(view.train_loss.back())));
  }
  return line.room() == screen.width ? "" : line.text();
}

/// A column of the table of sites: which of a site's values.
struct TrackColumn {
  const char* title;
  bool val, last;
};

std::optional<double> value_in(const TrackColumn& column, const SiteTrack& site,
                               const RunView& view) {
  const auto& track = column.val ? site.val : site.test;
  if (track.empty() || (!column.last && view.best < 0)) return std::nullopt;
  return column.last ? track.back() : track[static_cast<std::size_t>(view.best)];
}

std::vector<TrackColumn> columns_for(const Screen& screen) {
  std::vector<TrackColumn> columns{{"val last", true, true}, {"best", true, false}};
  if (screen.width >= 70) {
    columns.push_back({"test last", false, true});
    columns.push_back({"best", false, false});
  }
  return columns;
}

std::int64_t width_of_column(const TrackColumn& column) {
  return 2 + std::max(number_width - 2, columns_of(column.title));
}

/// The sites, as many as `most` lines hold; 0 is all.
std::string site_lines(const RunView& view, const Screen& screen, std::int64_t most) {
  if (view.sites.empty() || view.measure.empty()) return "";
  const std::vector<TrackColumn> columns = columns_for(screen);
  std::int64_t name_width = columns_of(view.measure);
  for (const SiteTrack& site : view.sites) {
    name_width = std::max(name_width, columns_of(site.site) + (site.held_out ? 11 : 0));
  }
  name_width = std::min(name_width, std::max<std::int64_t>(8, screen.width / 4));
  ScreenLine titles(screen);
  titles.left(view.measure, name_width, Tone::dim);
  for (const TrackColumn& column : columns) {
    titles.right(column.title, width_of_column(column), Tone::dim);
  }
  std::string text = titles.add("  val by round", Tone::dim).text();
  const std::int64_t count = std::ssize(view.sites);
  const std::int64_t shown = most == 0 || count <= most ? count : most - 1;
  for (std::int64_t i = 0; i < shown; ++i) {
    const SiteTrack& site = view.sites[static_cast<std::size_t>(i)];
    ScreenLine line(screen);
    line.left(site.site + (site.held_out ? " (held out)" : ""), name_width);
    for (const TrackColumn& column : columns) {
      line.right(value_text(value_in(column, site, view)), width_of_column(column));
    }
    line.add("  ");
    text += line.add(curve(site.val, line.room(), screen)).text();
  }
  if (shown < count) {
    text += ScreenLine(screen).add(concat("and ", count - shown, " more"), Tone::dim).text();
  }
  return text;
}

std::string phase_lines(const RunView& view, const Screen& screen) {
  const double all =
      std::accumulate(view.phases.begin(), view.phases.end(), 0.0,
                      [](double sum, const PhaseShare& phase) { return sum + phase.mean_s; });
  if (all <= 0.0) return "";
  ScreenLine title(screen);
  title.add(concat("last round ", human_seconds(view.last_round_s)), Tone::dim);
  if (view.ranks > 1) title.add(concat(", mean and longest of ", view.ranks, " ranks"), Tone::dim);
  std::string text = title.text();
  for (const PhaseShare& phase : view.phases) {
    const double share = phase.mean_s / all;
    if (share < 0.005) continue;
    ScreenLine line(screen);
    line.left("  " + phase.name, 12).right(concat(fixed(100.0 * share, 0), " % "), 6);
    const std::int64_t room = std::min<std::int64_t>(30, line.room() - 20);
    if (room >= 5) line.add(bar(share, room, screen));
    line.right(human_seconds(phase.mean_s), 10);
    if (view.ranks > 1) line.right(human_seconds(phase.max_s), 10, Tone::dim);
    text += line.text();
  }
  return text;
}

/// Who waits, what was lost, what was saved.
std::string fact_lines(const RunView& view, const Screen& screen) {
  std::string text;
  if (view.waiting) {
    const Waiting& w = *view.waiting;
    const std::string place = w.awaited_place.empty() ? "" : concat(" (", w.awaited_place, ")");
    text += ScreenLine(screen)
                .add(concat("all wait for rank ", w.awaited_rank, place, "; rank ", w.rank,
                            " longest, ", human_seconds(w.seconds)))
                .text();
  }
  if (!view.lost.empty()) {
    std::vector<std::string> reasons;
    for (const auto& [reason, clients] : view.lost) {
      reasons.push_back(concat(clients, " ", reason));
    }
    text += ScreenLine(screen).add(concat("lost updates: ", join(reasons)), Tone::bad).text();
  }
  std::vector<std::string> times;
  if (view.saved_age_s) times.push_back(concat("saved ", human_seconds(*view.saved_age_s), " ago"));
  if (view.rounds_done > 0) {
    times.push_back(concat("last round ended ", human_seconds(view.news_age_s), " ago"));
  }
  if (!times.empty()) text += ScreenLine(screen).add(join(times), Tone::dim).text();
  if (view.unread_lines > 0) {
    text += ScreenLine(screen)
                .add(concat(view.unread_lines, " line(s) could not be read"), Tone::bad)
                .text();
  }
  return text;
}

std::int64_t lines_in(const std::string& text) { return std::ranges::count(text, '\n'); }

/// The first `most` lines of a text; all with 0.
std::string first_lines(const std::string& text, std::int64_t most) {
  if (most == 0) return text;
  std::size_t end = 0;
  for (; most > 0 && end < text.size(); --most) end = text.find('\n', end) + 1;
  return text.substr(0, end);
}

}  // namespace

std::string run_screen(const RunView& view, const Screen& screen) {
  std::string above = title_line(view, screen) + progress_line(view, screen);
  const std::string said = state_note(view);
  const Tone tone = view.phase == RunPhase::starting || view.phase == RunPhase::finished
                        ? Tone::plain
                        : Tone::bad;
  if (!said.empty()) above += ScreenLine(screen).add(said, tone).text();
  above += scores_line(view, screen);
  const std::string below = phase_lines(view, screen) + fact_lines(view, screen);
  // The titles of the table take a line, and at least two sites are shown.
  const std::int64_t left = screen.height - lines_in(above) - lines_in(below) - 1;
  const std::int64_t most = screen.height == 0 ? 0 : std::max<std::int64_t>(2, left);
  return first_lines(above + site_lines(view, screen, most) + below, screen.height);
}

std::string runs_screen(const std::vector<RunView>& views, const Screen& screen) {
  std::int64_t name_width = 4, method_width = 6;
  for (const RunView& view : views) {
    name_width = std::max(name_width, columns_of(view.name));
    method_width = std::max(method_width, columns_of(view.method));
  }
  name_width = std::min(name_width, std::max<std::int64_t>(8, screen.width / 4));
  const std::int64_t bar_width = screen.width >= 100 ? 20 : 0;
  ScreenLine titles(screen);
  titles.left("run", name_width + 2, Tone::dim).left("state", 10, Tone::dim);
  titles.left("round", 12, Tone::dim).left(bar_width > 0 ? "done" : "", bar_width, Tone::dim);
  titles.right("left", 14, Tone::dim).right("best val", 10, Tone::dim).add("  method", Tone::dim);
  std::string text = titles.text();
  for (const RunView& view : views) {
    const auto [word, tone] = word_for(view.phase);
    ScreenLine line(screen);
    line.left(view.name, name_width).add("  ").left(word, 10, tone);
    line.left(concat(view.rounds_done, "/", view.rounds_wanted), 12);
    line.add(bar(share_done(view), bar_width, screen));
    line.right(goes_on(view) ? human_seconds(left_s(view)) : "-", 14);
    const bool known = view.best >= 0;
    line.right(known ? value_text(mean_of_val(view, static_cast<std::size_t>(view.best))) : "-",
               10);
    text += line.add("  ").left(view.method, method_width).add("  " + view.measure).text();
  }
  return first_lines(text, screen.height);
}

}  // namespace harmofl
