// SPDX-License-Identifier: Apache-2.0
#include "fl/lanes/share_out.hpp"

#include "base/trace_recorder.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace harmofl {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::Pair;
using testing::UnorderedElementsAreArray;

std::vector<std::size_t> first_items(std::size_t count) {
  std::vector<std::size_t> items(count);
  std::iota(items.begin(), items.end(), std::size_t{0});
  return items;
}

/// Where threads wait for a condition; gives up after a time in which it surely would have come.
class Meeting {
 public:
  template <class Change>
  void change(const Change& what) {
    const std::lock_guard lock(mutex_);
    what();
    changed_.notify_all();
  }
  template <class Condition>
  bool wait(const Condition& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1), condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

TEST(Crew, has_its_lanes_work_at_the_same_time_call_after_call) {
  Crew crew;
  for (const std::int64_t lanes : {1, 3, 2, 4, 4}) {
    Meeting meeting;
    std::set<std::int64_t> here;
    std::set<std::thread::id> threads;
    std::atomic<bool> all_met = true;
    crew.run(lanes, [&](std::int64_t lane) {
      meeting.change([&] {
        here.insert(lane);
        threads.insert(std::this_thread::get_id());
      });
      if (!meeting.wait([&] { return std::ssize(here) == lanes; })) all_met = false;
    });
    EXPECT_TRUE(all_met) << lanes;
    EXPECT_EQ(std::ssize(threads), lanes);
    EXPECT_TRUE(threads.contains(std::this_thread::get_id())) << "lane 0 is the caller";
  }
}

TEST(Crew, gives_each_lane_a_track_of_its_own) {
  Crew crew;
  TraceRecorder recorder;
  std::barrier all(3);
  crew.run(3, [&](std::int64_t) {
    const Range client("train client");
    all.arrive_and_wait();
  });
  std::map<std::string, std::int64_t> clients;
  for (const TraceTrack& track : recorder.take()) {
    clients[track.name] = std::ranges::count(track.events, "train client",
                                             [](const TraceEvent& event) { return *event.name; });
  }
  EXPECT_THAT(clients, ElementsAre(Pair("lane 1", 1), Pair("lane 2", 1), Pair("main", 1)));
}

TEST(OrderOf, items_is_largest_first_and_their_own_where_results_are_taken_in_by_it) {
  const std::vector<double> sizes{3, 9, 3, 12, 1};
  EXPECT_THAT(order_of(sizes, TakenIn::as_they_come), ElementsAre(3, 1, 0, 2, 4));
  EXPECT_THAT(order_of(sizes, TakenIn::in_order), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(order_of({}, TakenIn::as_they_come), ElementsAre());
}

TEST(ShareOut, begins_items_in_the_order_given_and_ends_each_once) {
  Crew crew;
  const std::vector<std::size_t> order{4, 1, 3, 0, 2};
  for (const std::int64_t lanes : {1, 2, 3}) {
    std::vector<std::size_t> begun, ended;
    std::vector<int> worked(order.size(), 0);
    share_out(crew, lanes, order, TakenIn::as_they_come,
              {.begin = [&](std::size_t i) { begun.push_back(i); },
               .work = [&](std::int64_t, std::size_t i) { ++worked[i]; },
               .end = [&](std::size_t i) { ended.push_back(i); }});
    EXPECT_THAT(begun, ElementsAreArray(order)) << lanes;
    EXPECT_THAT(ended, UnorderedElementsAreArray(order));
    EXPECT_THAT(worked, testing::Each(1));
  }
}

TEST(ShareOut, takes_some_of_the_items_in_by_order_too) {
  Crew crew;
  std::vector<std::size_t> ended;
  const auto end = [&](std::size_t i) { ended.push_back(i); };
  share_out(crew, 3, {2, 5, 6, 9}, TakenIn::in_order,
            {.work = [](std::int64_t, std::size_t) {}, .end = end});
  EXPECT_THAT(ended, ElementsAre(2, 5, 6, 9));
}

TEST(ShareOut, of_nothing_does_nothing) {
  Crew crew;
  share_out(crew, 2, {}, TakenIn::in_order,
            {.work = [](std::int64_t, std::size_t) { FAIL() << "there is nothing"; }});
}

TEST(ShareOut, lets_no_two_lanes_begin_or_end_at_the_same_time) {
  Crew crew;
  std::atomic<int> inside = 0;
  std::atomic<bool> alone = true;
  const auto by_one = [&](std::size_t) {
    if (++inside > 1) alone = false;
    std::this_thread::yield();
    --inside;
  };
  share_out(crew, 4, first_items(400), TakenIn::as_they_come,
            {.begin = by_one, .work = [](std::int64_t, std::size_t) {}, .end = by_one});
  EXPECT_TRUE(alone);
}

// Item 0 is done last: the others have to wait for it, or to be set aside.
TEST(ShareOut, takes_results_in_by_order_though_they_come_in_another) {
  constexpr std::int64_t lanes = 3;
  Crew crew;
  Meeting meeting;
  std::vector<std::size_t> ended, aside;
  std::size_t ended_early = 0;
  bool all_came = false;
  share_out(crew, lanes, first_items(12), TakenIn::in_order,
            {.work =
                 [&](std::int64_t, std::size_t i) {
                   if (i == 0) all_came = meeting.wait([&] { return std::ssize(aside) == lanes; });
                   if (i == 0) ended_early = ended.size();
                 },
             .end = [&](std::size_t i) { ended.push_back(i); },
             .set_aside = [&](std::size_t i) { meeting.change([&] { aside.push_back(i); }); }});
  EXPECT_TRUE(all_came) << "lanes go on while an earlier result is not there";
  EXPECT_EQ(ended_early, 0U);
  EXPECT_THAT(ended, ElementsAreArray(first_items(12)));
}

// Two lanes are at items behind item 0, which waits until both are done: no third may be begun.
TEST(ShareOut, sets_no_more_results_aside_than_there_are_lanes) {
  constexpr std::int64_t lanes = 2;
  Crew crew;
  Meeting meeting;
  std::size_t done = 0, begun = 0, begun_meanwhile = 0;
  std::int64_t most_aside = 0, aside = 0;
  share_out(crew, lanes, first_items(9), TakenIn::in_order,
            {.begin = [&](std::size_t) { ++begun; },
             .work =
                 [&](std::int64_t, std::size_t i) {
                   if (i > 0) return meeting.change([&] { ++done; });
                   // Items 1 and 2 are set aside, item 3 is done and waits.
                   EXPECT_TRUE(meeting.wait([&] { return done == 3; }));
                   meeting.change([&] { begun_meanwhile = begun; });
                 },
             .end = [&](std::size_t) { aside = 0; },
             .set_aside = [&](std::size_t) { most_aside = std::max(most_aside, ++aside); }});
  EXPECT_LE(most_aside, lanes);
  EXPECT_EQ(begun_meanwhile, 4U);
}

TEST(ShareOut, ends_with_the_error_of_the_first_item_that_failed) {
  Crew crew;
  Meeting meeting;
  int at_work = 0;
  std::vector<std::size_t> begun;
  const auto fail_together = [&](std::int64_t, std::size_t i) {
    meeting.change([&] { ++at_work; });
    EXPECT_TRUE(meeting.wait([&] { return at_work == 2; }));
    throw std::runtime_error(i == 0 ? "of item 0" : "of another");
  };
  for (const TakenIn taken_in : {TakenIn::as_they_come, TakenIn::in_order}) {
    at_work = 0;
    begun.clear();
    const std::string message = test::error_of<std::runtime_error>([&] {
      share_out(crew, 2, first_items(5), taken_in,
                {.begin = [&](std::size_t i) { begun.push_back(i); },
                 .work = fail_together,
                 .end = [](std::size_t) { FAIL() << "nothing was done"; }});
    });
    EXPECT_EQ(message, "of item 0");
    EXPECT_THAT(begun, ElementsAre(0, 1)) << "the others stop";
  }
}

TEST(ShareOut, ends_with_that_error_whether_it_comes_first_or_last) {
  Crew crew;
  for (const std::size_t first : {0, 1}) {
    Meeting meeting;
    int at_work = 0;
    bool one_has_failed = false;
    const SharedWork work{.enter =
                              [&](std::int64_t) {
                                return std::shared_ptr<void>(nullptr, [&](void*) {
                                  meeting.change([&] { one_has_failed = true; });
                                });
                              },
                          .work =
                              [&](std::int64_t, std::size_t i) {
                                meeting.change([&] { ++at_work; });
                                EXPECT_TRUE(meeting.wait([&] { return at_work == 2; }));
                                if (i != first) {
                                  EXPECT_TRUE(meeting.wait([&] { return one_has_failed; }));
                                }
                                throw std::runtime_error(i == 0 ? "of item 0" : "of another");
                              }};
    const std::string message = test::error_of<std::runtime_error>(
        [&] { share_out(crew, 2, first_items(5), TakenIn::as_they_come, work); });
    EXPECT_EQ(message, "of item 0") << first;
  }
}

TEST(ShareOut, begins_nothing_more_in_a_lane_that_is_done_after_another_has_failed) {
  Crew crew;
  Meeting meeting;
  int at_work = 0;
  bool one_has_failed = false;
  std::vector<std::size_t> begun;
  const SharedWork work{.enter =
                            [&](std::int64_t) {
                              return std::shared_ptr<void>(nullptr, [&](void*) {
                                meeting.change([&] { one_has_failed = true; });
                              });
                            },
                        .begin = [&](std::size_t i) { begun.push_back(i); },
                        .work =
                            [&](std::int64_t, std::size_t i) {
                              meeting.change([&] { ++at_work; });
                              EXPECT_TRUE(meeting.wait([&] { return at_work >= 2; }));
                              if (i == 0) throw std::runtime_error("item 0");
                              EXPECT_TRUE(meeting.wait([&] { return one_has_failed; }));
                            }};
  test::error_of<std::runtime_error>(
      [&] { share_out(crew, 2, first_items(5), TakenIn::as_they_come, work); });
  EXPECT_THAT(begun, ElementsAre(0, 1));
}

// Item 0 fails while three lanes wait for it to be taken in.
TEST(ShareOut, that_fails_lets_no_lane_wait_for_ever) {
  constexpr std::int64_t lanes = 3;
  Crew crew;
  Meeting meeting;
  int done = 0;
  const std::string message = test::error_of<std::runtime_error>([&] {
    share_out(crew, lanes, first_items(20), TakenIn::in_order,
              {.work = [&](std::int64_t, std::size_t i) {
                if (i > 0) return meeting.change([&] { ++done; });
                EXPECT_TRUE(meeting.wait([&] { return done == 2 * lanes - 1; }));
                throw std::runtime_error("item 0");
              }});
  });
  EXPECT_EQ(message, "item 0");
}

TEST(ShareOut, stops_when_beginning_ending_setting_aside_or_entering_fails) {
  Crew crew;
  const auto error = [](const char* what) {
    return [what](std::size_t) { throw std::runtime_error(what); };
  };
  const auto nothing = [](std::int64_t, std::size_t) {};
  const auto message_of_run = [&](const SharedWork& work, std::int64_t lanes) {
    return test::error_of<std::runtime_error>(
        [&] { share_out(crew, lanes, first_items(4), TakenIn::in_order, work); });
  };
  EXPECT_EQ(message_of_run({.begin = error("begin"), .work = nothing}, 2), "begin");
  EXPECT_EQ(message_of_run({.work = nothing, .end = error("end")}, 1), "end");
  Meeting meeting;
  bool was_aside = false;
  const SharedWork one_waits{.work =
                                 [&](std::int64_t, std::size_t i) {
                                   if (i == 0) meeting.wait([&] { return was_aside; });
                                 },
                             .set_aside =
                                 [&](std::size_t) {
                                   meeting.change([&] { was_aside = true; });
                                   throw std::runtime_error("aside");
                                 }};
  EXPECT_EQ(message_of_run(one_waits, 2), "aside");
  const SharedWork no_entry{
      .enter = [](std::int64_t) -> std::shared_ptr<void> { throw std::runtime_error("enter"); },
      .work = nothing};
  EXPECT_EQ(message_of_run(no_entry, 2), "enter");
}

}  // namespace
}  // namespace harmofl
