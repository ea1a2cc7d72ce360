// What a simulation reads and writes: checkpoints, the best model, the summary.
#include "harmofl/base/error.hpp"
#include "harmofl/fl/simulation.hpp"
#include "harmofl/io/checkpoint.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace harmofl {
namespace {

constexpr const char* model_group = "model";

std::string client_group(const std::string& site) { return "clients/" + site; }

}  // namespace

// The root writes, and holds the whole file until it does; the state of each client comes from its
// rank, one at a time.
void Simulation::save() {
  const auto timed = times_.measure("save");
  watchdog_.kick(concat("saving after round ", round_));
  const bool writes = comm_.any(folder_ != nullptr);
  if (!writes) return;
  std::unique_ptr<CheckpointWriter> writer;
  comm_.agree([&] {
    if (folder_ == nullptr) return;
    const nlohmann::json state = {{"log", log_.save()},
                                  {"amplitude_frozen", model_.amplitude().frozen()},
                                  {"seconds", times_.seconds()}};
    writer = std::make_unique<CheckpointWriter>(
        folder_->checkpoint(),
        CheckpointInfo{round_.value(), options_.algorithm, options_.config, state.dump()});
    writer->write(model_group, model_.state().export_tensors());
  });
  auto local = clients_.begin();
  for (ClientId id{0}; id.value() < federation_.size(); ++id) {
    const Rank owner = placement_[id.position()];
    const bool mine = owner == comm_.rank();
    if (!mine && !comm_.is_root()) continue;
    const std::string bytes = comm_.send_to_root(owner, mine ? (local++)->state.serialize() : "");
    if (writer) {
      writer->write(client_group(federation_.members[id.position()].site),
                    ClientState::parse(bytes));
    }
  }
  comm_.agree([&] {
    if (writer) writer->commit();
  });
}

void Simulation::save_best() {
  if (folder_ == nullptr) return;
  const nlohmann::json state = {{"amplitude_frozen", model_.amplitude().frozen()}};
  CheckpointWriter writer(folder_->best(), CheckpointInfo{round_.value() + 1, options_.algorithm,
                                                          options_.config, state.dump()});
  writer.write(model_group, model_.state().export_tensors());
  writer.commit();
}

void Simulation::start_from(const std::vector<NamedTensor>& model, const std::string& source) {
  model_.state().import_tensors(model, source);
  global_.copy_(model_.state().state());
}

void Simulation::resume(const std::filesystem::path& checkpoint) {
  comm_.agree([&] {
    const CheckpointReader reader(checkpoint);
    const auto state = nlohmann::json::parse(reader.info().state);
    HARMOFL_VALIDATE(reader.info().algorithm == options_.algorithm, checkpoint.string(),
                     ": was made by ", reader.info().algorithm, ", but algorithm.name is ",
                     options_.algorithm, ". Resume with the configuration of that run.");
    start_from(reader.read(model_group), checkpoint.string());
    if (state.at("amplitude_frozen")) model_.amplitude().freeze();
    log_.load(state.at("log"));
    times_.add(state.value("seconds", std::map<std::string, double>{}));
    round_ = RoundId(reader.info().rounds_done);
    const std::vector<std::string> known = reader.groups("clients");
    for (LocalClient& client : clients_) {
      HARMOFL_VALIDATE(std::ranges::count(known, client.data.site) == 1, checkpoint.string(),
                       ": holds no state of site ", client.data.site, ", only of ", join(known),
                       ". Resume with the shards that the run was started with.");
      client.state.import_tensors(reader.read(client_group(client.data.site)), model_.device());
    }
    if (folder_ != nullptr) folder_->drop_metrics_from(round_.value());
  });
}

void Simulation::write_summary() {
  comm_.agree([&] {
    if (folder_ == nullptr) return;
    folder_->write("summary.json",
                   log_.summary(options_.algorithm, round_, times_.seconds()).dump(2) + "\n");
  });
}

}  // namespace harmofl
