// What a simulation reads and writes: checkpoints, the best model, the summary.
#include "base/fault.hpp"
#include "fl/simulation.hpp"
#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint.hpp"

#include <nlohmann/json.hpp>

#include <set>

namespace harmofl {
namespace {

constexpr const char* model_group = "model";
constexpr const char* server_group = "server";

std::string client_group(const std::string& site) { return "clients/" + site; }

std::vector<std::int64_t> placement_numbers(const std::vector<Rank>& placement) {
  std::vector<std::int64_t> numbers;
  for (const Rank rank : placement) numbers.push_back(rank.value());
  return numbers;
}

std::vector<Rank> placement_of(const std::vector<std::int64_t>& numbers) {
  return {numbers.begin(), numbers.end()};
}

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
      state["placement"] = placement_numbers(hosting_.placement());
      state["ranks"] = comm_.size();
      for (const Member& member : federation_.members) state["clients"].push_back(member.site);
    }
    writer = std::make_unique<CheckpointWriter>(
        path, CheckpointInfo{rounds_done, options_.algorithm, options_.config, state.dump()});
    writer->write(model_group, model_.state().export_tensors());
    if (whole) writer->write(server_group, server_state_.export_tensors());
  });
  const auto wanted = [&](const std::string& name) {
    return whole || is_personal(name, *algorithm_);
  };
  for (ClientId id{0}; id.value() < federation_.size(); ++id) {
    const auto tensors = hosting_.state_at_root(id, wanted);
    if (writer && !tensors.empty()) {
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

void Simulation::check_clients(const std::vector<std::string>& known,
                               const std::filesystem::path& checkpoint) const {
  const std::set<std::string> sites(known.begin(), known.end());
  for (const Member& member : federation_.members) {
    HARMOFL_VALIDATE(sites.contains(member.site), checkpoint.string(), ": holds no state of site ",
                     member.site, ", only of ", join(known),
                     ". Resume with the shards that the run was started with.");
  }
}

void Simulation::resume(const std::filesystem::path& checkpoint) {
  std::vector<Rank> placement = hosting_.placement();
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
    reported_seconds_ = times_.seconds();
    sent_bytes_ = state.value("sent_bytes", std::int64_t{0});
    server_state_.import_tensors(reader.read(server_group), model_.device());
    round_ = RoundId(reader.info().rounds_done);
    check_clients(state.value("clients", reader.groups("clients")), checkpoint);
    if (state.value("ranks", std::int64_t{0}) == comm_.size()) {
      placement = placement_of(state.at("placement"));
    }
  });
  // On as many ranks as before everyone is where they were, so that sums are added alike.
  hosting_.adopt(placement);
  comm_.agree([&] {
    const CheckpointReader reader(checkpoint);
    for (const auto& [id, client] : hosting_.own()) {
      hosting_.with_state(id, [&](NamedState& state) {
        state.import_tensors(reader.read(client_group(client.site)), model_.device());
      });
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
