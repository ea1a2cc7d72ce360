// SPDX-License-Identifier: Apache-2.0
/// Files that are read: what stands at a path, and all that a file holds or an error.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace harmofl {

/// Why there is no regular file at `path`, links followed: "it is a folder", "it is a FIFO", "it is
/// a link to nothing", "there is no such file", "Permission denied"; "" where there is one. Opens
/// nothing, so that a FIFO without a writer does not hold it up.
std::string why_not_a_file(const std::filesystem::path& path);

/// Hands all bytes of a regular file to `take`, part by part. Throws UserError, naming file, cause
/// and remedy, when it is none or a part of it cannot be read.
void read_file(const std::filesystem::path& path,
               const std::function<void(std::span<const std::byte>)>& take);

/// All bytes of a regular file. Throws UserError as `read_file` does, and for one of more bytes
/// than this machine has memory.
std::string read_bytes(const std::filesystem::path& path);

/// All of a text file, without the byte-order mark that some editors put before UTF-8. Throws
/// UserError as `read_file` does, for a text in UTF-16, and for one of more than 1 GiB.
std::string read_text_file(const std::filesystem::path& path);

}  // namespace harmofl
