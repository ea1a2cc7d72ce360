// SPDX-License-Identifier: Apache-2.0
/// Private to src/io and tools/prepare: reads and writes that may move less than they were asked
/// to.
#pragma once

#include <cerrno>
#include <cstddef>
#include <sys/types.h>

namespace harmofl {

/// Moves all of `size` bytes by `step(done)`, which returns what read, pread, write or pwrite
/// return. Returns 0 or the error's number.
template <class Step>
int move_all(std::size_t size, const Step& step) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t moved = step(done);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return errno;
    if (moved == 0) return EIO;
    done += static_cast<std::size_t>(moved);
  }
  return 0;
}

}  // namespace harmofl
