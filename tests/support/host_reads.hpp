// SPDX-License-Identifier: Apache-2.0
/// Operations for which the host would have to wait for a GPU, found on the CPU.
#pragma once

#include <ATen/record_function.h>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace harmofl::test {

/// Counts, while it lives, libtorch's operations on all threads whose result (a number, or a size)
/// the host reads. A captured graph cannot hold them, and elsewhere each waits for the GPU.
class HostReads {
 public:
  HostReads() {
    const std::lock_guard lock(mutex());
    counts().clear();
    handle_ = at::addGlobalCallback(
        at::RecordFunctionCallback(&count).scopes({at::RecordScope::FUNCTION}));
  }
  ~HostReads() { at::removeCallback(handle_); }
  HostReads(const HostReads&) = delete;
  HostReads& operator=(const HostReads&) = delete;

  /// How often each was called so far; those that were not are missing.
  std::map<std::string, int> found() const {
    const std::lock_guard lock(mutex());
    return counts();
  }

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  static std::map<std::string, int>& counts() {
    static std::map<std::string, int> found;
    return found;
  }
  static std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
    static const std::set<std::string> reading{"aten::_local_scalar_dense",
                                               "aten::nonzero",
                                               "aten::masked_select",
                                               "aten::_unique2",
                                               "aten::unique_dim",
                                               "aten::unique_consecutive",
                                               "aten::equal",
                                               "aten::bincount",
                                               "aten::allclose"};
    const std::string name = function.name();
    if (reading.contains(name)) {
      const std::lock_guard lock(mutex());
      ++counts()[name];
    }
    return nullptr;
  }

  at::CallbackHandle handle_ = 0;
};

}  // namespace harmofl::test
