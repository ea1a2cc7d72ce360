// SPDX-License-Identifier: Apache-2.0
#include "fuzz/rasters.hpp"
#include "prepare/decode/decoders.hpp"

namespace harmofl::fuzz {

void jpeg(std::string_view input) { check_decoder(prepare::decode_jpeg, input); }

}  // namespace harmofl::fuzz
