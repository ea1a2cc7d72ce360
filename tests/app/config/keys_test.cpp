// SPDX-License-Identifier: Apache-2.0
// The table of keys: every row takes its default and its choices, refuses anything else by name,
// and sets the one option that is its own.
#include "app/config/keys.hpp"

#include "app/config/run_options.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

namespace harmofl {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAreArray;

const Key& key_of(const std::vector<Key>& keys, const std::string& name) {
  return *std::ranges::find(keys, name, &Key::name);
}

std::string refusal(const std::string& name, const std::string& text) {
  return test::error_of<UsageError>([&] { key_of(config_keys(), name).read(text); });
}

bool takes_any_text(const Key& key) {
  return key.value.form == "a text" || key.value.form == "a path";
}

TEST(Keys, have_names_of_their_own_a_section_and_a_meaning) {
  std::set<std::string> names;
  for (const Key& key : config_keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name << " stands in two rows";
    EXPECT_EQ(key.section() + "." + key.last_part(), key.name);
    EXPECT_FALSE(key.meaning.empty()) << key.name;
  }
}

TEST(Keys, take_their_defaults) {
  for (const Key& key : config_keys()) {
    if (key.is_open(key.default_text)) continue;
    EXPECT_NO_THROW(key.read(key.default_text)) << key.name;
  }
}

TEST(Keys, take_each_of_their_choices) {
  int choices = 0;
  for (const Key& key : config_keys()) {
    for (const std::string& choice : key.value.choices) {
      EXPECT_NO_THROW(key.read(choice)) << key.name << " = " << choice;
      ++choices;
    }
  }
  EXPECT_GT(choices, 50);
}

TEST(Keys, refuse_junk_with_key_value_and_remedy) {
  for (const Key& key : config_keys()) {
    if (takes_any_text(key)) continue;
    for (const std::string junk : {"junk", "", "1x", "nan", "0x10"}) {
      const std::string shown = junk.empty() ? "" : junk;
      EXPECT_THAT(test::error_of<UsageError>([&] { key.read(junk); }),
                  AllOf(HasSubstr(key.name + " = " + shown),
                        AnyOf(HasSubstr("Known: "), HasSubstr("the default is "),
                              HasSubstr("for example"))))
          << key.name << " = '" << junk << "'";
    }
  }
}

TEST(Keys, of_numbers_refuse_infinity) {
  for (const Key& key : config_keys()) {
    if (!key.value.form.starts_with("a number ")) continue;
    EXPECT_THROW(key.read("inf"), UsageError) << key.name;
    EXPECT_THROW(key.read("1e999"), UsageError) << key.name;
  }
}

TEST(Keys, take_any_text_only_where_it_is_a_name_a_path_or_a_distribution) {
  std::vector<std::string> names;
  for (const Key& key : config_keys()) {
    if (takes_any_text(key)) names.push_back(key.name);
  }
  EXPECT_THAT(names,
              ElementsAre("run.name", "run.output", "run.scratch", "data.shards", "data.hold_out",
                          "fleet.table", "fleet.speed", "fleet.bandwidth", "fleet.latency",
                          "fleet.availability", "model.script", "model.weights"));
}

TEST(Keys, refuse_numbers_out_of_their_range_and_say_it) {
  EXPECT_THAT(refusal("train.lr", "0"), HasSubstr("train.lr = 0 is not a number above 0."));
  EXPECT_THAT(refusal("train.momentum", "1"), HasSubstr("a number from 0 to below 1"));
  EXPECT_THAT(refusal("run.rounds", "0"),
              HasSubstr("run.rounds = 0 is not a whole number of at least 1. Correct it; the "
                        "default is 10."));
  EXPECT_THAT(refusal("run.rounds", "2.5"), HasSubstr("a whole number"));
  EXPECT_THAT(refusal("run.seed", "4294967296"), HasSubstr("from 0 to 4294967295"));
  EXPECT_THAT(refusal("fleet.drop_after", "1.5"), HasSubstr("a number from 0 to 1"));
  EXPECT_THAT(refusal("comm.timeout", "-1"),
              HasSubstr("comm.timeout = -1 is neither auto nor a number of at least 0."));
  EXPECT_THAT(refusal("cohort.over_sampling", "0.9"), HasSubstr("a number of at least 1"));
  EXPECT_THAT(refusal("run.state_memory", "9223372036854775807"), HasSubstr("a whole number"));
}

TEST(Keys, name_the_choices_auto_included_where_it_is_the_default) {
  EXPECT_EQ(refusal("train.optimizer", "adma"),
            "train.optimizer = adma is unknown. Did you mean 'adam'? Known: sgd, adam.");
  EXPECT_THAT(refusal("model.norm", "x"),
              HasSubstr("Known: auto, batch-stateless, batch, group, own."));
  EXPECT_THAT(refusal("comm.transport", "x"), HasSubstr("Known: auto, mpi, nccl."));
}

/// A text other than the default for a key, and whether an option says so.
struct Setting {
  std::string key;
  std::string text;
  std::function<bool(const RunOptions&)> is_set;
};

const std::vector<Setting>& settings() {
  using R = const RunOptions&;
  static const std::vector<Setting> all{
      {"run.name", "mine", [](R r) { return r.name == "mine"; }},
      {"run.output", "there", [](R r) { return r.output == "there"; }},
      {"run.seed", "7", [](R r) { return r.simulation.seed == 7; }},
      {"run.rounds", "8", [](R r) { return r.simulation.rounds == 8; }},
      {"run.evaluate_every", "9", [](R r) { return r.simulation.evaluate_every == 9; }},
      {"run.save_every", "11", [](R r) { return r.simulation.save_every == 11; }},
      {"run.save_minutes", "1.5", [](R r) { return r.simulation.save_minutes == 1.5; }},
      {"run.keep", "12", [](R r) { return r.simulation.keep == 12; }},
      {"run.save_initial", "true", [](R r) { return r.save_initial; }},
      {"run.measures", "dice,hd95",
       [](R r) { return r.simulation.measures == std::vector<std::string>{"dice", "hd95"}; }},
      {"run.best_by", "auc", [](R r) { return r.simulation.best_by == "auc"; }},
      {"run.patience", "5", [](R r) { return r.simulation.patience == 5; }},
      {"run.per_sample", "true", [](R r) { return r.per_sample; }},
      {"run.measure", "true", [](R r) { return r.simulation.local.measure; }},
      {"run.fingerprints", "true", [](R r) { return r.simulation.local.fingerprints; }},
      {"run.tensorboard", "true", [](R r) { return r.simulation.tensorboard.on; }},
      {"run.tensorboard_images", "27",
       [](R r) { return r.simulation.tensorboard.images_every == 27; }},
      {"run.progress", "on", [](R r) { return r.progress == log::Progress::on; }},
      {"run.trace", "true", [](R r) { return r.trace; }},
      {"run.energy", "true", [](R r) { return r.energy; }},
      {"run.state_memory", "3",
       [](R r) { return r.simulation.state.memory_bytes == 3 * 1024 * 1024; }},
      {"run.scratch", "/scratch", [](R r) { return r.simulation.state.scratch == "/scratch"; }},
      {"run.resume", "true", [](R r) { return r.resume; }},
      {"data.shards", "shards", [](R r) { return r.shards == "shards"; }},
      {"data.residence", "stream", [](R r) { return r.residence == Residence::stream; }},
      {"data.batch_size", "13", [](R r) { return r.simulation.local.batches.batch_size == 13; }},
      {"data.weights", "samples", [](R r) { return r.simulation.weights == Weighting::samples; }},
      {"data.truncate", "true", [](R r) { return r.simulation.truncate; }},
      {"data.augment", "false", [](R r) { return !r.simulation.local.batches.augment; }},
      {"data.shuffle", "false", [](R r) { return !r.simulation.local.shuffle; }},
      {"data.partition", "quantity",
       [](R r) { return r.partition.kind == PartitionKind::quantity; }},
      {"data.clients", "14", [](R r) { return r.partition.clients == 14; }},
      {"data.partition_alpha", "0.25", [](R r) { return r.partition.alpha == 0.25; }},
      {"data.evaluate", "sites", [](R r) { return r.measured_by_site; }},
      {"data.hold_out", "north, south",
       [](R r) { return r.hold_out == std::vector<std::string>{"north", "south"}; }},
      {"data.hold_out_statistics", "estimated",
       [](R r) { return r.simulation.new_sites == NewSiteStatistics::estimated; }},
      {"cohort.size", "15", [](R r) { return r.simulation.cohort.size == 15; }},
      {"cohort.sampling", "fixed",
       [](R r) { return r.simulation.cohort.sampling == Sampling::fixed; }},
      {"cohort.over_sampling", "1.25",
       [](R r) { return r.simulation.cohort.over_sampling == 1.25; }},
      {"fleet.table", "fleet.csv", [](R r) { return r.simulation.fleet.table == "fleet.csv"; }},
      {"fleet.speed", "choice:1,2", [](R r) { return r.simulation.fleet.speed == "choice:1,2"; }},
      {"fleet.bandwidth", "16", [](R r) { return r.simulation.fleet.bandwidth == "16"; }},
      {"fleet.latency", "17", [](R r) { return r.simulation.fleet.latency == "17"; }},
      {"fleet.availability", "0.5", [](R r) { return r.simulation.fleet.availability == "0.5"; }},
      {"fleet.sample_time", "0.125", [](R r) { return r.simulation.fleet.sample_time_s == 0.125; }},
      {"fleet.deadline", "18", [](R r) { return r.simulation.fleet.deadline_s == 18.0; }},
      {"fleet.drop_before", "0.0625", [](R r) { return r.simulation.fleet.drop_before == 0.0625; }},
      {"fleet.drop_after", "0.75", [](R r) { return r.simulation.fleet.drop_after == 0.75; }},
      {"model.name", "resnet18", [](R r) { return r.simulation.model.network.name == "resnet18"; }},
      {"model.width", "19", [](R r) { return r.simulation.model.network.width == 19; }},
      {"model.norm", "group",
       [](R r) { return r.simulation.model.network.norm == NormKind::group; }},
      {"model.projection", "mlp", [](R r) { return r.simulation.model.network.projection; }},
      {"model.buffers", "recompute",
       [](R r) { return r.simulation.buffers == BufferPolicy::recompute; }},
      {"model.script", "n.pt", [](R r) { return r.script == "n.pt"; }},
      {"model.weights", "w.pt", [](R r) { return r.weights == "w.pt"; }},
      {"model.memory_format", "channels-last",
       [](R r) { return r.simulation.model.channels_last; }},
      {"model.kernels", "libtorch",
       [](R r) { return r.simulation.model.kernels == Kernels::libtorch; }},
      {"train.optimizer", "adam",
       [](R r) { return r.simulation.local.optimizer.kind == OptimizerKind::adam; }},
      {"train.lr", "0.375", [](R r) { return r.simulation.local.optimizer.lr == 0.375; }},
      {"train.schedule", "cosine",
       [](R r) { return r.simulation.local.schedule.kind == ScheduleKind::cosine; }},
      {"train.schedule_rounds", "20", [](R r) { return r.simulation.local.schedule.rounds == 20; }},
      {"train.schedule_factor", "0.5",
       [](R r) { return r.simulation.local.schedule.factor == 0.5; }},
      {"train.lr_final", "1e-5",
       [](R r) { return r.simulation.local.schedule.final_rate == 1e-5; }},
      {"train.warm_up", "3", [](R r) { return r.simulation.local.schedule.warm_up == 3; }},
      {"train.momentum", "0.625",
       [](R r) { return r.simulation.local.optimizer.momentum == 0.625; }},
      {"train.weight_decay", "0.875",
       [](R r) { return r.simulation.local.optimizer.weight_decay == 0.875; }},
      {"train.local_epochs", "20", [](R r) { return r.simulation.local.local_epochs == 20; }},
      {"train.local_steps", "24", [](R r) { return r.simulation.local.local_steps == 24; }},
      {"train.pieces", "25", [](R r) { return r.simulation.local.pieces == 25; }},
      {"train.nonfinite", "leave-out",
       [](R r) { return r.simulation.nonfinite == NonFinite::leave_out; }},
      {"train.loss", "cross-entropy",
       [](R r) { return r.simulation.local.loss.kind == LossKind::cross_entropy; }},
      {"train.focal_gamma", "3", [](R r) { return r.simulation.local.loss.focal_gamma == 3.0; }},
      {"train.class_weights", "1,2.5",
       [](R r) { return r.simulation.local.loss.class_weights == std::vector<double>{1.0, 2.5}; }},
      {"algorithm.name", "moon", [](R r) { return r.simulation.algorithm == "moon"; }},
      {"amplitude.band", "low:0.25",
       [](R r) {
         return r.simulation.model.amplitude.band == Band::low &&
                r.simulation.model.amplitude.low_fraction == 0.25;
       }},
      {"amplitude.momentum", "0.03125",
       [](R r) { return r.simulation.model.amplitude.momentum == 0.03125; }},
      {"amplitude.update", "every-pass",
       [](R r) { return r.simulation.model.amplitude.update_every_pass; }},
      {"amplitude.record", "spectrum",
       [](R r) { return r.simulation.model.amplitude.record_spectrum; }},
      {"perturbation.alpha", "0.5",
       [](R r) { return r.simulation.local.perturbation.alpha == 0.5; }},
      {"perturbation.adaptive", "true",
       [](R r) { return r.simulation.local.perturbation.adaptive; }},
      {"perturbation.eta", "21", [](R r) { return r.simulation.local.perturbation.eta == 21.0; }},
      {"personalize.epochs", "2", [](R r) { return r.simulation.personalization.epochs == 2; }},
      {"personalize.rate", "0.25", [](R r) { return r.simulation.personalization.lr == 0.25; }},
      {"comm.transport", "nccl", [](R r) { return r.simulation.transport == TransportKind::nccl; }},
      {"comm.reduce", "exact", [](R r) { return r.simulation.reduction == Reduction::exact; }},
      {"comm.placement", "measured",
       [](R r) { return r.simulation.placement == PlacementCosts::measured; }},
      {"comm.timeout", "22", [](R r) { return r.simulation.timeout_s == 22.0; }},
      {"device.type", "cuda", [](R r) { return r.device == DeviceType::cuda; }},
      {"device.lanes", "26", [](R r) { return r.lanes == 26; }},
      {"device.threads", "23", [](R r) { return r.threads == 23; }},
      {"device.precision", "bf16",
       [](R r) { return r.simulation.model.precision == Precision::bf16; }},
      {"device.deterministic", "true", [](R r) { return r.deterministic; }},
      {"device.graphs", "true", [](R r) { return r.simulation.local.graphs; }},
  };
  return all;
}

TEST(Keys, set_the_option_that_is_theirs_and_no_other) {
  for (const Setting& setting : settings()) {
    RunOptions run;
    key_of(keys_of(run), setting.key).read(setting.text);
    for (const Setting& other : settings()) {
      const bool was_so = other.is_set(RunOptions());
      const bool wanted = other.key == setting.key ? true : was_so;
      EXPECT_EQ(other.is_set(run), wanted)
          << setting.key << " = " << setting.text << ", looking at " << other.key;
    }
  }
}

TEST(Keys, of_methods_set_the_value_of_their_name) {
  for (const AlgorithmEntry& entry : algorithms()) {
    for (const AlgorithmKey& key : entry.keys) {
      RunOptions run;
      key_of(keys_of(run), "algorithm." + key.name).read("0.5");
      EXPECT_EQ(run.simulation.algorithm_values, (AlgorithmValues{{key.name, "0.5"}}));
      key_of(keys_of(run), "algorithm." + key.name).read("auto");
      EXPECT_EQ(run.simulation.algorithm_values, (AlgorithmValues{{key.name, "0.5"}}));
    }
  }
}

TEST(Keys, of_the_table_are_all_looked_at_above) {
  std::vector<std::string> seen, all;
  for (const Setting& setting : settings()) seen.push_back(setting.key);
  for (const Key& key : config_keys()) {
    if (key.section() != "algorithm" || key.name == "algorithm.name") all.push_back(key.name);
  }
  EXPECT_THAT(seen, UnorderedElementsAreArray(all));
}

std::string text_of_file(const std::string& name) {
  std::ifstream file(std::string(HARMOFL_SOURCE) + "/" + name);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What stands in backquotes in `text`.
std::vector<std::string> quoted(const std::string& text) {
  std::vector<std::string> found;
  for (std::size_t open = text.find('`'); open != std::string::npos;) {
    const std::size_t close = text.find('`', open + 1);
    if (close == std::string::npos) break;
    found.push_back(text.substr(open + 1, close - open - 1));
    open = text.find('`', close + 1);
  }
  return found;
}

TEST(Keys, that_may_change_on_resume_are_those_of_the_guide) {
  const std::string guide = text_of_file("docs/guides/running.md");
  const std::size_t begin = guide.find("Only these may change:");
  const std::size_t end = guide.find("More rounds", begin);
  ASSERT_NE(end, std::string::npos);
  std::vector<std::string> names;
  for (const Key& key : config_keys()) {
    if (key.is(may_change)) names.push_back(key.name);
  }
  EXPECT_THAT(quoted(guide.substr(begin, end - begin)), UnorderedElementsAreArray(names));
  EXPECT_EQ(names.size(), 30U);
}

TEST(Keys, that_the_guides_name_are_those_of_the_table) {
  std::set<std::string> names, sections;
  for (const Key& key : config_keys()) {
    names.insert(key.name);
    sections.insert(key.section());
  }
  const std::set<std::string> files{"json", "csv", "pt", "safetensors"};
  int seen = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(HARMOFL_SOURCE) + "/docs/guides")) {
    if (file.path().extension() != ".md") continue;
    for (const std::string& word :
         quoted(text_of_file("docs/guides/" + file.path().filename().string()))) {
      const std::string name = word.substr(0, word.find_first_of(" ="));
      const std::size_t dot = name.find('.');
      if (dot == std::string::npos || !sections.contains(name.substr(0, dot))) continue;
      const bool is_file = files.contains(name.substr(dot + 1));
      if (is_file || name.ends_with("*")) continue;
      EXPECT_TRUE(names.contains(name)) << file.path() << " names the key " << name;
      ++seen;
    }
  }
  EXPECT_GT(seen, 50);
}

TEST(SuggestedKeys, have_the_last_part_that_was_given) {
  EXPECT_EQ(suggested_keys("rounds"), " Did you mean 'run.rounds'?");
  EXPECT_EQ(suggested_keys("data.rounds"), " Did you mean 'run.rounds'?");
  EXPECT_EQ(suggested_keys("name"),
            " Did you mean 'run.name' or 'model.name' or 'algorithm.name'?");
  EXPECT_EQ(suggested_keys("trian.lr"), " Did you mean 'train.lr'?");
}

TEST(SuggestedKeys, are_near_where_none_has_that_part) {
  EXPECT_EQ(suggested_keys("train.lt"), " Did you mean 'train.lr'?");
  EXPECT_EQ(suggested_keys("batch-size"), " Did you mean 'data.batch_size'?");
  EXPECT_EQ(suggested_keys("round"), " Did you mean 'run.rounds'?");
  EXPECT_EQ(suggested_keys("quite-something-else"), "");
}

}  // namespace
}  // namespace harmofl
