// SPDX-License-Identifier: Apache-2.0
// A library to preload, whose calls of the system fail as those of a network file system or a full
// disk do:
//
//   FAILING_CALLS="call:error:skip:times ..."   FAILING_PATH=part of a path
//
// Calls on files whose path holds FAILING_PATH fail `times` times after `skip` good ones, with the
// number `error`; with the error 0 they move half of the bytes that they were asked to.
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

constexpr int none = -1;

/// The error of the next call of that name on `path`; `none` where it is to succeed.
int error_of(const char* call, const char* path) {
  static std::array<int, 16> calls{};
  const char* plan = std::getenv("FAILING_CALLS");
  const char* part = std::getenv("FAILING_PATH");
  if (plan == nullptr || part == nullptr || std::strstr(path, part) == nullptr) return none;
  for (std::size_t i = 0; plan != nullptr && i < calls.size(); ++i) {
    char name[16] = "";
    int error = 0, skip = 0, times = 0;
    if (std::sscanf(plan, " %15[^:]:%d:%d:%d", name, &error, &skip, &times) != 4) break;
    if (std::strcmp(name, call) == 0) {
      const int before = calls[i]++;
      if (before >= skip && before < skip + times) return error;
    }
    plan = std::strchr(plan + 1, ' ');
  }
  return none;
}

int error_of(const char* call, int descriptor) {
  char link[64];
  char path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return none;
  path[length] = '\0';
  return error_of(call, path);
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

/// Fails, or calls the real function with as many bytes as are to be moved.
template <class Real>
ssize_t move(const char* call, int descriptor, std::size_t size, const Real& real) {
  const int error = error_of(call, descriptor);
  if (error > 0) return errno = error, -1;
  return real(error == 0 && size > 1 ? size / 2 : size);
}

/// Fails, or does `real`.
template <class File, class Real>
int act(const char* call, File file, const Real& real) {
  const int error = error_of(call, file);
  return error > 0 ? (errno = error, -1) : real();
}

}  // namespace

extern "C" {

int rename(const char* from, const char* to) noexcept {
  return act("rename", to, [&] { return next<decltype(rename)>("rename")(from, to); });
}
int link(const char* from, const char* to) noexcept {
  return act("link", to, [&] { return next<decltype(link)>("link")(from, to); });
}
int fsync(int file) {
  return act("fsync", file, [&] { return next<decltype(fsync)>("fsync")(file); });
}
int flock(int file, int operation) noexcept {
  return act("flock", file, [&] { return next<decltype(flock)>("flock")(file, operation); });
}
int close(int file) {
  const int error = error_of("close", file);
  const int closed = next<decltype(close)>("close")(file);
  return error > 0 ? (errno = error, -1) : closed;
}

ssize_t write(int file, const void* bytes, std::size_t size) {
  return move("write", file, size,
              [&](std::size_t part) { return next<decltype(write)>("write")(file, bytes, part); });
}
ssize_t writev(int file, const iovec* parts, int count) {
  return act("write", file, [&] {
    return static_cast<int>(next<decltype(writev)>("writev")(file, parts, count));
  });
}
ssize_t read(int file, void* bytes, std::size_t size) {
  return move("read", file, size,
              [&](std::size_t part) { return next<decltype(read)>("read")(file, bytes, part); });
}
ssize_t pwrite(int file, const void* bytes, std::size_t size, off_t place) {
  return move("pwrite", file, size, [&](std::size_t part) {
    return next<decltype(pwrite)>("pwrite")(file, bytes, part, place);
  });
}
ssize_t pread(int file, void* bytes, std::size_t size, off_t place) {
  return move("pread", file, size, [&](std::size_t part) {
    return next<decltype(pread)>("pread")(file, bytes, part, place);
  });
}
ssize_t pwrite64(int file, const void* bytes, std::size_t size, off64_t place) {
  return pwrite(file, bytes, size, place);
}
ssize_t pread64(int file, void* bytes, std::size_t size, off64_t place) {
  return pread(file, bytes, size, place);
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int mode = va_arg(arguments, int);
  va_end(arguments);
  return act("open", path, [&] { return next<decltype(open)>("open")(path, flags, mode); });
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int mode = va_arg(arguments, int);
  va_end(arguments);
  return open(path, flags, mode);
}
std::FILE* fopen64(const char* path, const char* mode) {
  const int error = error_of("open", path);
  if (error > 0) return errno = error, nullptr;
  return next<decltype(fopen64)>("fopen64")(path, mode);
}

}  // extern "C"
