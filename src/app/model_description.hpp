// SPDX-License-Identifier: Apache-2.0
/// What a checkpoint's model needs beside its weights to predict as it does here
/// (docs/exported-models.md).
#pragma once

#include "app/config/config.hpp"
#include "fl/run/run_facts.hpp"
#include "io/checkpoint/checkpoint.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace harmofl {

/// Its network, images, amplitude normalisation and batch size as JSON. `site` is that whose own
/// layers or model it has, "" where it is the global one.
nlohmann::json describe_model(const CheckpointInfo& info, const Config& config,
                              const RunFacts& facts, const std::string& site);

/// The same for people, a line for each thing that a program which loads only the weights would
/// miss.
std::string needs_of_model(const Config& config, const RunFacts& facts);

}  // namespace harmofl
