// SPDX-License-Identifier: Apache-2.0
#include "fuzz/rasters.hpp"
#include "prepare/decode/decoders.hpp"

namespace harmofl::fuzz {

void tiff(std::string_view input) { check_decoder(prepare::decode_tiff, input); }

}  // namespace harmofl::fuzz
