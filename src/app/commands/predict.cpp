// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/predict/image_folder.hpp"
#include "app/commands/predict/input_files.hpp"
#include "app/commands/predict/prediction_files.hpp"
#include "app/commands/predict/predictor.hpp"
#include "app/commands/predict/volume_folder.hpp"
#include "app/load_model.hpp"
#include "fl/clients/placement.hpp"
#include "fl/run/run_input.hpp"
#include "io/atomic_file.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

namespace harmofl {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* table_name = "classes.csv";

po::options_description predict_options() {
  po::options_description options(
      "usage: [mpirun -n RANKS] harmofl predict --checkpoint FILE --input PATH --output DIR "
      "[OPTIONS]\n"
      "Predicts images: masks as DIR/<site>/<id>.png, classes as DIR/classes.csv;\n"
      "and volumes: masks as DIR/<name>.nii.gz.\n\nOptions");
  options.add_options()("help,h", "show this text")(
      "checkpoint", po::value<std::string>()->required(), "checkpoint.h5 or best.h5 of a run")(
      "input", po::value<std::string>()->required(),
      "a shard, a folder of shards, a folder of images (.png, .tif, .jpg, .bmp), or one of volumes "
      "(.nii, .nii.gz)")("output", po::value<std::string>()->required(),
                         "new folder for what is predicted")(
      "split", po::value<std::string>()->default_value("all"),
      "of shards: train | val | test | all")("site", po::value<std::string>(),
                                             "predict with what this site has of its own")(
      "probabilities", "also those of each pixel, as DIR/<site>/<id>.npy");
  add_device_options(options);
  return options;
}

/// What was asked for.
struct Wanted {
  std::string checkpoint, input, output;
  std::vector<Split> splits;
  std::optional<std::string> site;
  bool probabilities = false;
  DeviceWish device = {};
};

Wanted wanted_of(const po::variables_map& given) {
  Wanted wanted{given["checkpoint"].as<std::string>(),
                given["input"].as<std::string>(),
                given["output"].as<std::string>(),
                {all_splits.begin(), all_splits.end()},
                std::nullopt,
                given.contains("probabilities"),
                device_wish(given)};
  const auto& split = given["split"].as<std::string>();
  if (split != "all") wanted.splits = {parse_split(split)};
  if (given.contains("site")) wanted.site = given["site"].as<std::string>();
  return wanted;
}

/// The shards that `input` is or holds; none where it is a folder of images or volumes.
std::vector<fs::path> shards_of(const fs::path& input) {
  std::error_code failed;
  if (fs::is_regular_file(input, failed)) return {input};
  HARMOFL_VALIDATE(fs::is_directory(input, failed), input.string(),
                   ": there is no such file or folder. Give --input shards or images.");
  const auto is_shard = [](const fs::directory_entry& entry) {
    return entry.path().extension() == ".h5" && !entry.path().filename().string().starts_with('.');
  };
  const bool some = std::ranges::any_of(fs::directory_iterator(input), is_shard);
  return some ? list_shards(input) : std::vector<fs::path>();
}

/// What every rank has written, put together on the root: the rows of each of `units`, which lie on
/// the ranks of `placement`, in their order. Collective.
std::string gather_rows(const std::vector<std::string>& own, const std::vector<Rank>& placement,
                        const Communicator& comm) {
  std::vector<std::int64_t> own_lengths;
  for (const std::string& rows : own) own_lengths.push_back(std::ssize(rows));
  const auto lengths = comm.gather(own_lengths);
  const auto texts = comm.gather(std::accumulate(own.begin(), own.end(), std::string()));
  if (!comm.is_root()) return "";
  std::vector<std::size_t> next(texts.size(), 0), begin(texts.size(), 0);
  std::string all;
  for (const Rank owner : placement) {
    const std::size_t rank = owner.position();
    const auto length = static_cast<std::size_t>(lengths[rank][next[rank]++]);
    all += texts[rank].substr(begin[rank], length);
    begin[rank] += length;
  }
  return all;
}

/// Writes the table of classes, where there is one, and says what was done. Collective.
void finish(const Wanted& wanted, Task task, const PredictionFiles& files, const std::string& rows,
            std::int64_t images, const Communicator& comm) {
  const bool masks = task == Task::segmentation;
  comm.agree([&] {
    if (!comm.is_root() || masks) return;
    write_text_file(fs::path(wanted.output) / table_name, files.header() + rows);
  });
  print(concat(wanted.output, ": ", images, masks ? " masks" : " images in classes.csv", "\n"),
        comm);
}

/// Refuses shards of other classes than those that the model knows.
void check_classes(const Federation& federation, const LoadedModel& loaded) {
  if (!loaded.facts.trained_on) return;
  const std::vector<std::string>& known = loaded.facts.trained_on->class_names;
  HARMOFL_VALIDATE(federation.class_names == known, federation.members.front().shard.string(),
                   ": its classes are ", join(federation.class_names), ", but those of ",
                   loaded.checkpoint.path().string(), " are ", join(known),
                   ". Prepare the shard with the classes of the model.");
}

void predict_site(const Member& member, const Wanted& wanted, const Predictor& predictor,
                  PredictionFiles& files) {
  const ShardReader shard(member.shard);
  const ClientData data = load_client(member.shard, torch::kCPU);
  for (const Split split : wanted.splits) {
    const std::vector<std::string>& ids = shard.ids(split);
    predictor.predict(data.split(split), [&](std::int64_t position, const Prediction& prediction) {
      const std::string& id = ids[static_cast<std::size_t>(position)];
      files.add({data.site, std::string(to_string(split)), id}, prediction);
    });
  }
}

void predict_shards(const std::vector<fs::path>& paths, const Wanted& wanted,
                    const Communicator& comm) {
  const Federation federation = open_shards(paths, comm);
  const LoadedModel loaded = load_model(wanted.checkpoint, federation.shape, wanted.device, comm);
  std::vector<double> costs;
  for (const Member& member : federation.members) {
    double samples = 0.0;
    for (const Split split : wanted.splits) samples += static_cast<double>(member.count(split));
    costs.push_back(samples);
  }
  const std::vector<Rank> placement = place(costs, comm.size());
  PredictionFiles files(wanted.output,
                        {federation.shape.task, federation.class_names, wanted.probabilities});
  std::vector<std::string> rows;
  comm.agree([&] {
    check_classes(federation, loaded);
    Predictor predictor(loaded);
    for (ClientId id{0}; id.value() < federation.size(); ++id) {
      if (placement[id.position()] != comm.rank()) continue;
      const Member& member = federation.members[id.position()];
      predictor.use_model_of(wanted.site.value_or(member.site));
      predict_site(member, wanted, predictor, files);
      rows.push_back(files.take_rows());
    }
  });
  const double images = std::accumulate(costs.begin(), costs.end(), 0.0);
  finish(wanted, federation.shape.task, files, gather_rows(rows, placement, comm),
         static_cast<std::int64_t>(images), comm);
}

/// What the model of the checkpoint was trained on, by which images of files are made. Collective.
TrainedOn trained_on(const std::string& path, const Communicator& comm) {
  const CheckpointReader checkpoint = open_checkpoint(path, comm);
  std::optional<TrainedOn> found;
  comm.agree([&] {
    found = parse_facts(checkpoint.info(), path).trained_on;
    HARMOFL_VALIDATE(found, path, ": does not say what images its model takes, as it is of an ",
                     "older version. Predict shards, or train it with this version.");
  });
  return *found;
}

/// The names of all images, or of all volumes, which the root lists. Collective.
std::vector<std::string> inputs_of(const fs::path& folder, const Communicator& comm) {
  std::string text;
  comm.agree([&] {
    if (comm.is_root()) text = join(list_inputs(folder), std::string_view("\0", 1));
  });
  comm.broadcast(text);
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\0', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

// Images go to the ranks by batches, so that what is in a batch does not depend on their number.
void predict_images(const std::vector<std::string>& names, const Wanted& wanted,
                    const Communicator& comm) {
  const TrainedOn on = trained_on(wanted.checkpoint, comm);
  const LoadedModel loaded = load_model(wanted.checkpoint, on.shape, wanted.device, comm);
  PredictionFiles files(wanted.output, {on.shape.task, on.class_names, wanted.probabilities});
  std::vector<Rank> placement;
  std::vector<std::string> rows;
  comm.agree([&] {
    const ImageFolder folder(wanted.input, on, preparation_of(on, wanted.checkpoint));
    Predictor predictor(loaded);
    predictor.use_model_of(wanted.site.value_or(""));
    const auto at_once = static_cast<std::size_t>(folder.images_at_once(predictor.batch_size()));
    for (std::size_t begin = 0; begin < names.size(); begin += at_once) {
      const Rank owner(static_cast<std::int64_t>(placement.size()) % comm.size());
      placement.push_back(owner);
      if (owner != comm.rank()) continue;
      const auto first = names.begin() + static_cast<std::ptrdiff_t>(begin);
      const std::size_t count = std::min(at_once, names.size() - begin);
      folder.predict({first, first + static_cast<std::ptrdiff_t>(count)}, predictor, files);
      rows.push_back(files.take_rows());
    }
  });
  finish(wanted, on.shape.task, files, gather_rows(rows, placement, comm), std::ssize(names), comm);
}

// A volume is one rank's: its slices are batches of their own on any number of ranks.
void predict_volumes(const std::vector<std::string>& names, const Wanted& wanted,
                     const Communicator& comm) {
  const TrainedOn on = trained_on(wanted.checkpoint, comm);
  std::optional<VolumeFolder> folder;
  comm.agree([&] {
    if (wanted.probabilities) {
      throw UsageError(concat("--probabilities: ", wanted.input, " holds volumes, of which only ",
                              "masks are written. Leave the option out."));
    }
    folder.emplace(wanted.input, on, preparation_of(on, wanted.checkpoint), wanted.checkpoint);
  });
  const LoadedModel loaded = load_model(wanted.checkpoint, on.shape, wanted.device, comm);
  PredictionFiles files(wanted.output, {on.shape.task, on.class_names, false});
  comm.agree([&] {
    Predictor predictor(loaded);
    predictor.use_model_of(wanted.site.value_or(""));
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Rank owner(static_cast<std::int64_t>(i) % comm.size());
      if (owner == comm.rank()) folder->predict(names[i], predictor, files);
    }
  });
  finish(wanted, on.shape.task, files, "", std::ssize(names), comm);
}

}  // namespace

ExitCode predict(const Arguments& arguments, const Communicator& comm) {
  std::optional<po::variables_map> given;
  comm.agree([&] { given = parse_command("predict", arguments, predict_options()); });
  if (given->contains("help")) {
    print(concat(predict_options()), comm);
    return ExitCode::done;
  }
  Wanted wanted;
  std::vector<fs::path> shards;
  comm.agree([&] {
    wanted = wanted_of(*given);
    shards = shards_of(wanted.input);
    if (comm.is_root()) make_empty_folder(wanted.output);
  });
  if (!shards.empty()) {
    predict_shards(shards, wanted, comm);
    return ExitCode::done;
  }
  const std::vector<std::string> names = inputs_of(wanted.input, comm);
  if (is_volume_name(names.front())) {
    predict_volumes(names, wanted, comm);
  } else {
    predict_images(names, wanted, comm);
  }
  return ExitCode::done;
}

}  // namespace harmofl
