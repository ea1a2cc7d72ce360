// SPDX-License-Identifier: Apache-2.0
#include "app/model_description.hpp"

#include "app/config/run_options.hpp"
#include "base/version.hpp"
#include "harmofl/base/text.hpp"

#include <nlohmann/json.hpp>

#include <set>

namespace harmofl {
namespace {

constexpr int description_version = 1;

bool normalizes(const Config& config, const RunFacts& facts) {
  return facts.amplitude_frozen && config.text("amplitude.band") != "off";
}

/// "3x64x64 images, pixels / 255, into 2 classes (background, nucleus)".
std::string images_text(const TrainedOn& on) {
  std::set<double> scales;
  for (const ImageOrigin& origin : on.origins) scales.insert(origin.intensity_scale);
  std::vector<std::string> texts;
  for (const double scale : scales) texts.push_back(concat(scale));
  const std::string divided = texts.empty() ? "" : concat(", pixels / ", join(texts, " or "));
  return concat(on.shape.channels, "x", on.shape.height, "x", on.shape.width, " images", divided,
                ", into ", on.shape.classes, " classes (", join(on.class_names), ")");
}

}  // namespace

nlohmann::json describe_model(const CheckpointInfo& info, const Config& config,
                              const RunFacts& facts, const std::string& site) {
  const RunOptions run = resolved_options(config);
  nlohmann::json description{{"format_version", description_version},
                             {"harmofl", build_info().version},
                             {"algorithm", info.algorithm},
                             {"rounds_done", info.rounds_done},
                             {"network",
                              {{"name", config.text("model.name")},
                               {"width", run.simulation.model.network.width},
                               {"norm", config.text("model.norm")},
                               {"projection", run.simulation.model.network.projection},
                               {"one_output", config.text("train.loss") == "bce"}}},
                             {"amplitude",
                              {{"band", config.text("amplitude.band")},
                               {"momentum", run.simulation.model.amplitude.momentum},
                               {"normalizes", normalizes(config, facts)}}},
                             {"batch_size", run.simulation.local.batches.batch_size},
                             {"precision", config.text("device.precision")}};
  if (facts.trained_on) description["trained_on"] = to_json(*facts.trained_on);
  if (!site.empty()) description["site"] = site;
  return description;
}

std::string needs_of_model(const Config& config, const RunFacts& facts) {
  std::string text;
  if (facts.trained_on) {
    text += concat("  takes ", printable(images_text(*facts.trained_on)), "\n");
  } else {
    text += "  takes images of a size that this checkpoint, of an older version, does not say\n";
  }
  if (normalizes(config, facts)) {
    text += concat(
        "  needs its amplitude normalisation (amplitude.band = ", config.text("amplitude.band"),
        ", by amp_norm.running_amp) in front of it: ", "without it the predictions are others\n");
  }
  if (config.text("model.norm") == "batch-stateless") {
    text += concat("  needs batches: its norms use the statistics of each batch, here of ",
                   config.text("data.batch_size"), " images\n");
  }
  return text +
         "  tools/pytorch/harmofl_model.py builds it with all of that from this file alone\n";
}

}  // namespace harmofl
