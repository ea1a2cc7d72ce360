// What a simulation reads and writes: checkpoints, the best model, the summary.
#include "harmofl/base/error.hpp"
#include "harmofl/base/fault.hpp"
#include "harmofl/fl/simulation.hpp"
#include "harmofl/io/checkpoint.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace harmofl {
namespace {

constexpr const char* model_group = "model";
constexpr const char* server_group = "server";

std::string client_group(const std::string& site) { return "clients/" + site; }

}  // namespace

void Simulation::save() {
  const auto timed = times_.measure("save");
  watchdog_.kick(concat("saving after round ", round_));
  fault_point("save", comm_.rank().value(), round_.value());
  write_checkpoint(folder_ ? folder_->checkpoint() : "", round_.value(), true);
}

// The model, and what clients have of their own to be evaluated with.
void Simulation::save_best() {
  write_checkpoint(folder_ ? folder_->best() : "", round_.value() + 1, false);
}

void Simulation::save_initial() { write_checkpoint(folder_ ? folder_->initial() : "", 0, false); }

// The root writes, and holds the whole file until it does; the state of each client comes from its
// rank, one at a time.
void Simulation::write_checkpoint(const std::filesystem::path& path, std::int64_t rounds_done,
                                  bool whole) {
  if (!comm_.any(folder_ != nullptr)) return;
  std::unique_ptr<CheckpointWriter> writer;
  comm_.agree([&] {
    if (folder_ == nullptr) return;
    nlohmann::json state = {{"amplitude_frozen", model_.amplitude().frozen()}};
    if (whole) {
      state["log"] = log_.save();
      state["seconds"] = times_.seconds();
      state["sent_bytes"] = sent_bytes_;
    }
    writer = std::make_unique<CheckpointWriter>(
        path, CheckpointInfo{rounds_done, options_.algorithm, options_.config, state.dump()});
    writer->write(model_group, model_.state().export_tensors());
    if (whole) writer->write(server_group, server_state_.export_tensors());
  });
  const auto wanted = [&](const std::string& name) {
    return whole || is_personal(name, *algorithm_);
  };
  auto local = clients_.begin();
  for (ClientId id{0}; id.value() < federation_.size(); ++id) {
    const Rank owner = placement_[id.position()];
    const bool mine = owner == comm_.rank();
    if (!mine && !comm_.is_root()) continue;
    const std::string bytes =
        comm_.send_to_root(owner, mine ? (local++)->state.subset(wanted).serialize() : "");
    if (!writer) continue;
    const auto tensors = NamedState::parse(bytes);
    if (whole || !tensors.empty()) {
      writer->write(client_group(federation_.members[id.position()].site), tensors);
    }
  }
  comm_.agree([&] {
    if (writer && whole) folder_->put_checkpoint(*writer, options_.keep);
    if (writer && !whole) writer->commit();
  });
}

void Simulation::start_from(const std::vector<NamedTensor>& model, const std::string& source) {
  model_.import_weights(model, source);
  global_.copy_(model_.state().state());
}

void Simulation::resume(const std::filesystem::path& checkpoint) {
  comm_.agree([&] {
    const CheckpointReader reader(checkpoint);
    const auto state = nlohmann::json::parse(reader.info().state);
    HARMOFL_VALIDATE(reader.info().algorithm == options_.algorithm, checkpoint.string(),
                     ": was made by ", reader.info().algorithm, ", but algorithm.name is ",
                     options_.algorithm, ". Resume with the configuration of that run.");
    HARMOFL_VALIDATE(state.contains("log"), checkpoint.string(), ": holds a model, but not the ",
                     "state of a run, which is needed to go on. Give its checkpoint.h5.");
    model_.state().import_tensors(reader.read(model_group), checkpoint.string());
    global_.copy_(model_.state().state());
    if (state.at("amplitude_frozen")) model_.amplitude().freeze();
    log_.load(state.at("log"));
    times_.add(state.value("seconds", std::map<std::string, double>{}));
    sent_bytes_ = state.value("sent_bytes", std::int64_t{0});
    server_state_.import_tensors(reader.read(server_group), model_.device());
    round_ = RoundId(reader.info().rounds_done);
    const std::vector<std::string> known = reader.groups("clients");
    for (LocalClient& client : clients_) {
      HARMOFL_VALIDATE(std::ranges::count(known, client.data.site) == 1, checkpoint.string(),
                       ": holds no state of site ", client.data.site, ", only of ", join(known),
                       ". Resume with the shards that the run was started with.");
      client.state.import_tensors(reader.read(client_group(client.data.site)), model_.device());
    }
    if (folder_ != nullptr) folder_->go_on_from(checkpoint, round_.value());
  });
}

void Simulation::write_summary() {
  comm_.agree([&] {
    if (folder_ == nullptr) return;
    folder_->write(
        "summary.json",
        log_.summary(options_.algorithm, round_, times_.seconds(), sent_bytes_).dump(2) + "\n");
  });
}

}  // namespace harmofl
