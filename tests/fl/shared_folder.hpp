/// A temporary folder that all ranks of a test use.
#pragma once

#include "support/temp_folder.hpp"
#include "support/world.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace harmofl::test {

/// A folder that the root makes and every rank knows.
class SharedFolder {
 public:
  SharedFolder() {
    if (world().is_root()) owned_.emplace();
    std::string text = world().is_root() ? owned_->path().string() : "";
    world().broadcast(text);
    path_ = text;
  }
  /// Nobody still reads when the root takes it away.
  ~SharedFolder() { world().barrier(); }

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::optional<test::TempFolder> owned_;
  std::filesystem::path path_;
};

}  // namespace harmofl::test
