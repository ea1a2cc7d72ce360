// SPDX-License-Identifier: Apache-2.0
/// Bytes as text (RFC 4648, section 4), for files whose values must be text.
#pragma once

#include <string>
#include <string_view>

namespace harmofl {

/// `bytes` in base64, with padding and without line ends.
std::string base64(std::string_view bytes);

}  // namespace harmofl
