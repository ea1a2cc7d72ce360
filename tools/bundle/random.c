// SPDX-License-Identifier: Apache-2.0
// glibc's arc4random for a glibc before 2.36, for libevent (tools/bundle.sh).
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

void arc4random_buf(void* buffer, size_t size) {
  unsigned char* place = buffer;
  while (size > 0) {
    const ssize_t got = getrandom(place, size, 0);
    if (got < 0) abort();  // no random numbers: nothing that asked for them may go on
    place += got;
    size -= (size_t)got;
  }
}

uint32_t arc4random(void) {
  uint32_t value;
  arc4random_buf(&value, sizeof value);
  return value;
}
