// SPDX-License-Identifier: Apache-2.0
// Each thread writes into a track of its own, whose lock nobody else asks for but `take`. Threads
// come and go (those that read batches live as long as a pass): a track whose thread has ended is
// the next one's of that role.
#include "base/trace_recorder.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace harmofl {
namespace detail {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

/// Texts, each once, at addresses that stay.
class Texts {
 public:
  const std::string* kept(std::string_view text) {
    const auto found = texts_.find(text);
    return found != texts_.end() ? &*found : &*texts_.emplace(text).first;
  }

 private:
  std::unordered_set<std::string, TextHash, std::equal_to<>> texts_;
};

struct Track {
  TraceTrack recorded;
  ThreadRole role;
  bool taken = true;  ///< By a thread that lives; guarded by the recorder's lock.
  std::mutex mutex;   ///< Of `recorded`.

  // Of the track's thread alone.
  struct Open {
    TraceEvent event;
    bool has_parts = false;
  };
  std::vector<Open> open;
  Texts texts;
};

/// All tracks of a recorder; whoever writes into one keeps them.
struct TraceTracks {
  std::int64_t capacity;
  std::atomic<std::int64_t> held = 0;  ///< Number of ranges in all tracks.
  std::mutex mutex;                    ///< Of what follows.
  std::vector<std::unique_ptr<Track>> tracks;
  std::map<std::string, std::int64_t> roles;  ///< Tracks by role.
  std::int64_t unnumbered = 0;

  explicit TraceTracks(std::int64_t most) : capacity(most) {}

  Track& sit_down() {
    const ThreadRole role = thread_role();
    const std::lock_guard lock(mutex);
    for (const auto& track : tracks) {
      const bool same = std::strcmp(track->role.name, role.name) == 0;
      if (!same || track->taken || track->role.number != role.number) continue;
      track->taken = true;
      return *track;
    }
    tracks.push_back(std::make_unique<Track>());
    Track& track = *tracks.back();
    track.role = role;
    name(track.recorded, role);
    return track;
  }

  /// Lanes keep their numbers, from 2 on: the calling thread is the first.
  void name(TraceTrack& track, const ThreadRole& role) {
    constexpr std::int64_t first_unnumbered = 1000;
    const bool main = std::string_view(role.name) == "main";
    const std::int64_t number = role.number != 0 ? role.number : ++roles[role.name];
    track.name = main ? std::string(role.name) : concat(role.name, " ", number);
    track.number = main ? 1 : role.number != 0 ? number + 1 : first_unnumbered + unnumbered++;
  }

  void keep(Track& track, const Track::Open& ended) {
    const std::int64_t most = ended.has_parts ? 2 * capacity : capacity;
    const std::lock_guard lock(track.mutex);
    if (held.load(std::memory_order_relaxed) >= most) {
      ++track.recorded.dropped;
      return;
    }
    track.recorded.events.push_back(ended.event);
    held.fetch_add(1, std::memory_order_relaxed);
  }
};

}  // namespace detail

namespace {

using detail::TraceTracks;
using detail::Track;

std::shared_ptr<TraceTracks> recorder;  ///< The one that is told.

/// A thread's place in a recorder, which it leaves when it ends.
struct Seat {
  std::shared_ptr<TraceTracks> of;
  Track* track = nullptr;

  Seat() = default;
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  ~Seat() { leave(); }

  void leave() {
    if (of == nullptr) return;
    const std::lock_guard lock(of->mutex);
    track->taken = false;
  }
};

thread_local Seat seat;

Track& own_track() {
  if (seat.of != recorder) {
    seat.leave();
    seat.of = recorder;
    seat.track = &recorder->sit_down();
  }
  return *seat.track;
}

void note_begin(const char* name, const RangeNote& note) {
  Track& track = own_track();
  TraceEvent event{.name = track.texts.kept(name), .key = note.key, .number = note.number};
  if (!note.text.empty()) event.text = track.texts.kept(note.text);
  event.begin_ns = steady_ns();
  track.open.push_back({event});
}

void note_end() {
  const std::int64_t now = steady_ns();
  Track& track = own_track();
  if (track.open.empty()) return;  // begun before the recorder
  Track::Open ended = track.open.back();
  track.open.pop_back();
  if (!track.open.empty()) track.open.back().has_parts = true;
  ended.event.end_ns = now;
  recorder->keep(track, ended);
}

}  // namespace

std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

TraceRecorder::TraceRecorder(std::int64_t capacity)
    : tracks_(std::make_shared<TraceTracks>(capacity)) {
  HARMOFL_EXPECT(recorder == nullptr);
  set_thread_role({"main"});
  recorder = tracks_;
  set_range_hooks(RangeListener::trace, {.begin = note_begin, .end = note_end});
}

TraceRecorder::~TraceRecorder() {
  set_range_hooks(RangeListener::trace, {});
  recorder.reset();
}

std::vector<TraceTrack> TraceRecorder::take() {
  std::vector<TraceTrack> taken;
  const std::lock_guard lock(tracks_->mutex);
  for (const auto& track : tracks_->tracks) {
    const std::lock_guard of_track(track->mutex);
    TraceTrack& recorded = track->recorded;
    if (recorded.events.empty() && recorded.dropped == 0) continue;
    tracks_->held.fetch_sub(std::ssize(recorded.events), std::memory_order_relaxed);
    taken.push_back({recorded.name, recorded.number, std::exchange(recorded.events, {}),
                     std::exchange(recorded.dropped, 0)});
  }
  std::ranges::sort(taken, {}, &TraceTrack::number);
  return taken;
}

}  // namespace harmofl
