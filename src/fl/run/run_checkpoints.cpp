// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_checkpoints.hpp"

#include "base/checksum.hpp"
#include "base/log.hpp"
#include "base/process/fault.hpp"
#include "base/range.hpp"
#include "fl/aggregate/exchange.hpp"
#include "fl/run/run_input.hpp"
#include "harmofl/base/error.hpp"
#include "model/networks/script.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>

namespace harmofl {
namespace {

/// The rank of each member, by what is known of its name; nothing where one is not known.
std::vector<Rank> placement_of(const Federation& federation, const RunProgress& progress) {
  std::vector<Rank> placement;
  for (const Member& member : federation.members) {
    const auto found = std::ranges::find(progress.clients, member.site);
    if (found == progress.clients.end()) return {};
    placement.push_back(
        progress.placement[static_cast<std::size_t>(found - progress.clients.begin())]);
  }
  return placement;
}

/// The first of many changes, which one line can hold.
std::string first_of(const std::vector<std::string>& changes) {
  constexpr std::size_t most = 5;
  const std::size_t shown = std::min(changes.size(), most);
  const std::string text =
      join({changes.begin(), changes.begin() + static_cast<std::ptrdiff_t>(shown)}, "; ");
  return changes.size() > most ? concat(text, "; and ", changes.size() - most, " more") : text;
}

}  // namespace

RunCheckpoints::RunCheckpoints(const Communicator& comm, CheckpointOptions options,
                               const Federation& federation, const RunFolder* folder,
                               RunState& state, Hosting& hosting, RunLog& log)
    : comm_(comm),
      options_(std::move(options)),
      federation_(federation),
      folder_(folder),
      state_(state),
      hosting_(hosting),
      log_(log) {
  if (folder_ == nullptr || !options_.script) return;
  const std::string& bytes = options_.script->bytes;
  script_ = {without_weights(*options_.script), checksum(std::as_bytes(std::span(bytes)))};
}

void RunCheckpoints::save() {
  const auto timed = state_.times.measure("save");
  fault_point("save", comm_.rank().value(), state_.round.value());
  write(folder_ ? folder_->checkpoint() : "", true);
}

void RunCheckpoints::save_best() {
  const Range range("save best");
  write(folder_ ? folder_->best() : "", false);
}

void RunCheckpoints::save_initial() {
  const Range range("save initial");
  write(folder_ ? folder_->initial() : "", false);
}

// The root writes; the state of each client comes from its rank, one at a time, and is on its way
// to the disk before the next comes. No error of the disk is told before all ranks meet again.
void RunCheckpoints::write(const std::filesystem::path& path, bool whole) {
  if (!comm_.any(folder_ != nullptr)) return;
  std::unique_ptr<CheckpointWriter> writer;
  comm_.agree([&] {
    if (folder_ == nullptr) return;
    writer = std::make_unique<CheckpointWriter>(
        path, CheckpointInfo{state_.round.value(), options_.algorithm, options_.config,
                             to_json(facts(whole))});
    if (script_) writer->write_script(*script_);
    writer->write(checkpoint_groups::model, state_.model.state().export_tensors());
    if (!whole) return;
    const std::vector<NamedTensor> server = state_.server.export_tensors();
    check_kept(server, server_shapes(state_.model, *state_.algorithm), "/server");
    writer->write(checkpoint_groups::server, server);
  });
  const auto wanted = [&](const std::string& name) {
    return whole || is_personal(name, *state_.algorithm);
  };
  const KeptShapes known = kept_with_clients();
  for (ClientId id{0}; id.value() < federation_.size(); ++id) {
    const auto tensors = hosting_.state_at_root(id, wanted);
    if (writer && !tensors.empty()) {
      const std::string group =
          checkpoint_groups::of_client(federation_.members[id.position()].site);
      check_kept(tensors, known, "/" + group);  // what could not be read again
      writer->write(group, tensors);
    }
  }
  comm_.agree([&] {
    if (writer && whole) folder_->put_checkpoint(*writer, options_.keep);
    if (writer && !whole) writer->commit();
  });
}

RunFacts RunCheckpoints::facts(bool whole) const {
  RunFacts facts{state_.model.amplitude().frozen(), std::nullopt,
                 TrainedOn{federation_.shape, federation_.class_names, federation_.origins}};
  if (!whole) return facts;
  RunProgress& progress = facts.progress.emplace();
  progress.log = log_.state();
  progress.seconds = state_.times.seconds();
  progress.sent_bytes = state_.sent_bytes;
  for (const Member& member : federation_.members) progress.clients.push_back(member.site);
  progress.placement = hosting_.placement();
  progress.ranks = comm_.size();
  progress.data = federation_.data;
  progress.accepted_changes = state_.accepted_changes;
  return facts;
}

void RunCheckpoints::resume(const CheckpointReader& checkpoint) {
  std::vector<Rank> placement = hosting_.placement();
  bool amplitude_frozen = false;
  comm_.agree([&] {
    const RunFacts facts = parse_facts(checkpoint.info(), checkpoint.path());
    read_run(checkpoint, facts, placement);
    amplitude_frozen = facts.amplitude_frozen;
  });
  broadcast_state(state_.model.state(), comm_);
  if (amplitude_frozen) state_.model.amplitude().freeze();  // as it is by now
  broadcast_state(state_.server, state_.model.device(), comm_);
  state_.global.copy_(state_.model.state().state());
  // On as many ranks as before everyone is where they were, so that sums are added alike.
  hosting_.adopt(placement);
  comm_.agree([&] {
    read_clients(checkpoint);
    if (folder_ != nullptr) folder_->go_on_from(checkpoint.path(), state_.round.value());
  });
}

// All is checked before anything is taken over.
void RunCheckpoints::read_run(const CheckpointReader& checkpoint, const RunFacts& facts,
                              std::vector<Rank>& placement) {
  const std::filesystem::path& path = checkpoint.path();
  const CheckpointInfo& info = checkpoint.info();
  HARMOFL_VALIDATE(info.algorithm == options_.algorithm, path.string(), ": was made by ",
                   info.algorithm, ", but algorithm.name is ", options_.algorithm,
                   ". Resume with the configuration of that run.");
  HARMOFL_VALIDATE(facts.progress, path.string(), ": holds a model, but not the ",
                   "state of a run, which is needed to go on. Give its checkpoint.h5.");
  const RunProgress& progress = *facts.progress;
  if (comm_.is_root()) check_data(progress, checkpoint);
  const bool named = !progress.clients.empty();
  if (!options_.accept_changed_data) {
    check_clients(named ? progress.clients : checkpoint.groups(checkpoint_groups::clients), path);
  }
  if (script_) check_script(checkpoint);
  if (comm_.is_root()) read_root(checkpoint);
  log_.restore(progress.log);
  state_.times.add(progress.seconds);
  state_.sent_bytes = progress.sent_bytes;
  state_.round = RoundId(info.rounds_done);
  const std::vector<Rank> before = placement_of(federation_, progress);
  if (progress.ranks == comm_.size() && !before.empty()) placement = before;
}

void RunCheckpoints::check_script(const CheckpointReader& checkpoint) const {
  const std::optional<StoredScript> before = checkpoint.script();
  HARMOFL_VALIDATE(before && before->source_checksum == script_->source_checksum,
                   checkpoint.path().string(), ": was made with another network than ",
                   options_.script->name,
                   ". Resume with the script that the run was started with.");
}

/// Refuses data that are not those before, or records what has changed. On the root.
void RunCheckpoints::check_data(const RunProgress& progress, const CheckpointReader& checkpoint) {
  state_.accepted_changes = progress.accepted_changes;
  std::vector<std::string> changes{
      "the checkpoint, of an older version, does not say which they were"};
  if (progress.data) changes = data_changes(*progress.data, federation_.data);
  if (changes.empty()) return;
  const std::string what = concat(checkpoint.path().string(),
                                  ": the data are not those of the run: ", first_of(changes));
  HARMOFL_VALIDATE(
      options_.accept_changed_data, what,
      ". Put back the shards that it was started with, start a run in another folder, ",
      "or go on all the same with --accept-changed-data.");
  log::warn_once(concat(what, ". Going on as asked; run.json says so."));
  state_.accepted_changes.push_back({checkpoint.info().rounds_done, changes});
}

/// The model and what is kept at the server, which the other ranks get from the root.
void RunCheckpoints::read_root(const CheckpointReader& checkpoint) {
  const std::string path = checkpoint.path().string();
  const std::vector<NamedTensor> server = checkpoint.read(checkpoint_groups::server);
  const KeptShapes known = server_shapes(state_.model, *state_.algorithm);
  check_kept(server, known, concat(path, ": /server"));
  check_whole(server, known, concat(path, ": /server"));
  state_.model.state().import_tensors(checkpoint.read(checkpoint_groups::model), path);
  state_.server.import_tensors(server, state_.model.device());
}

void RunCheckpoints::read_clients(const CheckpointReader& checkpoint) {
  const KeptShapes known = kept_with_clients();
  const auto families =
      client_families(state_.model, *state_.algorithm, options_.buffers, options_.optimizer);
  for (const auto& [id, client] : hosting_.own()) {
    const std::string group = checkpoint_groups::of_client(client.site);
    const std::vector<NamedTensor> tensors = checkpoint.read(group);
    const std::string place = concat(checkpoint.path().string(), ": /", group);
    check_kept(tensors, known, place);
    for (const KeptShapes& family : families) check_whole(tensors, family, place);
    hosting_.with_state(
        id, [&](NamedState& kept) { kept.import_tensors(tensors, state_.model.device()); });
  }
}

KeptShapes RunCheckpoints::kept_with_clients() const {
  return client_shapes(state_.model, *state_.algorithm, options_.buffers, options_.optimizer);
}

void RunCheckpoints::check_clients(const std::vector<std::string>& known,
                                   const std::filesystem::path& path) const {
  const std::set<std::string> sites(known.begin(), known.end());
  for (const Member& member : federation_.members) {
    HARMOFL_VALIDATE(sites.contains(member.site), path.string(), ": holds no state of site ",
                     member.site, ", only of ", join(known),
                     ". Resume with the shards that the run was started with.");
  }
}

}  // namespace harmofl
