// SPDX-License-Identifier: Apache-2.0
/// Items of work that lanes share out among themselves.
#pragma once

#include "fl/lanes/crew.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace harmofl {

/// In which order the results of items are taken in.
enum class TakenIn {
  as_they_come,
  in_order,  ///< The lowest first: for sums whose bits depend on the order.
};

/// What is done with an item. Only `work` runs in several lanes at the same time; of the others one
/// call is made at a time, in whichever lane.
struct SharedWork {
  /// Gives what a lane holds while it takes part; called in its thread.
  std::function<std::shared_ptr<void>(std::int64_t lane)> enter = [](std::int64_t) {
    return nullptr;
  };
  std::function<void(std::size_t item)> begin = [](std::size_t) {};
  std::function<void(std::int64_t lane, std::size_t item)> work;
  /// Takes the result in.
  std::function<void(std::size_t item)> end = [](std::size_t) {};
  /// Puts the result, whose turn has not come, where the lane's next item does not reach it.
  std::function<void(std::size_t item)> set_aside = [](std::size_t) {};
};

/// Does the items in `order`, on `lanes` lanes of `crew`: each takes the next one when it is done
/// with the one before. They are begun in this order, which must be ascending where results are
/// taken in by that; then at most `lanes` results are set aside, and who has one more waits.
///
/// When anything throws, the other lanes end with the item that they are at, and the error of the
/// first of the items that failed is thrown on.
void share_out(Crew& crew, std::int64_t lanes, const std::vector<std::size_t>& order,
               TakenIn taken_in, const SharedWork& work);

/// The items in the order in which they are to be begun: the largest first, so that no lane is left
/// with a long one at the end; in their own order where results are taken in by that.
std::vector<std::size_t> order_of(const std::vector<double>& sizes, TakenIn taken_in);

}  // namespace harmofl
