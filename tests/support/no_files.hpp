// SPDX-License-Identifier: Apache-2.0
/// What may stand where a file is expected.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace harmofl::test {

/// Something that is not a regular file.
struct NoFile {
  std::string name;       ///< For a path of it.
  std::string described;  ///< What errors call it.
  std::function<void(const std::filesystem::path&)> make;
};

inline void make_fifo(const std::filesystem::path& path) {
  ASSERT_EQ(mkfifo(path.c_str(), 0666), 0);
}

inline void make_socket(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.string().size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, path.c_str());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(descriptor);
}

/// One of each kind that a test can make. Devices are left alone.
inline std::vector<NoFile> no_files() {
  using std::filesystem::path;
  return {
      {"folder", "it is a folder", [](const path& p) { std::filesystem::create_directory(p); }},
      {"fifo", "it is a FIFO", make_fifo},
      {"socket", "it is a socket", make_socket},
      {"dangling", "it is a link to nothing",
       [](const path& p) { std::filesystem::create_symlink("absent", p); }},
  };
}

/// Takes from the test what only root may, and from others the right to look into `folder` where it
/// is theirs alone, as temporary folders are, until its life ends.
class AsNobody {
 public:
  explicit AsNobody(const std::filesystem::path& folder) : folder_(folder) {
    constexpr uid_t nobody = 65534;
    if (geteuid() == 0) {
      EXPECT_EQ(seteuid(nobody), 0);
    } else if (std::filesystem::status(folder).permissions() == std::filesystem::perms::owner_all) {
      closed_ = chmod(folder.c_str(), 0) == 0;
    }
  }
  ~AsNobody() {
    if (geteuid() != getuid()) {
      EXPECT_EQ(seteuid(getuid()), 0);
    }
    if (closed_) chmod(folder_.c_str(), S_IRWXU);
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  std::filesystem::path folder_;
  bool closed_ = false;
};

}  // namespace harmofl::test
