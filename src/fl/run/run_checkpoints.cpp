// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_checkpoints.hpp"

#include "base/fault.hpp"
#include "fl/aggregate/exchange.hpp"
#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <set>
#include <utility>

namespace harmofl {
namespace {

std::vector<std::int64_t> placement_numbers(const std::vector<Rank>& placement) {
  std::vector<std::int64_t> numbers;
  for (const Rank rank : placement) numbers.push_back(rank.value());
  return numbers;
}

std::vector<Rank> placement_of(const std::vector<std::int64_t>& numbers) {
  return {numbers.begin(), numbers.end()};
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
      log_(log) {}

void RunCheckpoints::save() {
  const auto timed = state_.times.measure("save");
  fault_point("save", comm_.rank().value(), state_.round.value());
  write(folder_ ? folder_->checkpoint() : "", true);
}

void RunCheckpoints::save_best() { write(folder_ ? folder_->best() : "", false); }

void RunCheckpoints::save_initial() { write(folder_ ? folder_->initial() : "", false); }

// The root writes; the state of each client comes from its rank, one at a time, and is on its way
// to the disk before the next comes. No error of the disk is told before all ranks meet again.
void RunCheckpoints::write(const std::filesystem::path& path, bool whole) {
  if (!comm_.any(folder_ != nullptr)) return;
  std::unique_ptr<CheckpointWriter> writer;
  comm_.agree([&] {
    if (folder_ == nullptr) return;
    writer = std::make_unique<CheckpointWriter>(
        path,
        CheckpointInfo{state_.round.value(), options_.algorithm, options_.config, facts(whole)});
    writer->write(checkpoint_groups::model, state_.model.state().export_tensors());
    if (whole) writer->write(checkpoint_groups::server, state_.server.export_tensors());
  });
  const auto wanted = [&](const std::string& name) {
    return whole || is_personal(name, *state_.algorithm);
  };
  for (ClientId id{0}; id.value() < federation_.size(); ++id) {
    const auto tensors = hosting_.state_at_root(id, wanted);
    if (writer && !tensors.empty()) {
      const std::string& site = federation_.members[id.position()].site;
      writer->write(checkpoint_groups::of_client(site), tensors);
    }
  }
  comm_.agree([&] {
    if (writer && whole) folder_->put_checkpoint(*writer, options_.keep);
    if (writer && !whole) writer->commit();
  });
}

/// What a checkpoint holds beside tensors, as JSON.
std::string RunCheckpoints::facts(bool whole) const {
  nlohmann::json facts = {{"amplitude_frozen", state_.model.amplitude().frozen()}};
  if (whole) {
    facts["log"] = log_.save();
    facts["seconds"] = state_.times.seconds();
    facts["sent_bytes"] = state_.sent_bytes;
    facts["placement"] = placement_numbers(hosting_.placement());
    facts["ranks"] = comm_.size();
    for (const Member& member : federation_.members) facts["clients"].push_back(member.site);
  }
  return facts.dump();
}

void RunCheckpoints::resume(const std::filesystem::path& checkpoint) {
  std::vector<Rank> placement = hosting_.placement();
  comm_.agree([&] { read_run(checkpoint, placement); });
  // On as many ranks as before everyone is where they were, so that sums are added alike.
  hosting_.adopt(placement);
  comm_.agree([&] {
    read_clients(checkpoint);
    if (folder_ != nullptr) folder_->go_on_from(checkpoint, state_.round.value());
  });
}

void RunCheckpoints::read_run(const std::filesystem::path& checkpoint,
                              std::vector<Rank>& placement) {
  const CheckpointReader reader(checkpoint);
  const auto facts = nlohmann::json::parse(reader.info().state);
  HARMOFL_VALIDATE(reader.info().algorithm == options_.algorithm, checkpoint.string(),
                   ": was made by ", reader.info().algorithm, ", but algorithm.name is ",
                   options_.algorithm, ". Resume with the configuration of that run.");
  HARMOFL_VALIDATE(facts.contains("log"), checkpoint.string(), ": holds a model, but not the ",
                   "state of a run, which is needed to go on. Give its checkpoint.h5.");
  state_.model.state().import_tensors(reader.read(checkpoint_groups::model), checkpoint.string());
  state_.global.copy_(state_.model.state().state());
  if (facts.at("amplitude_frozen")) state_.model.amplitude().freeze();
  log_.load(facts.at("log"));
  state_.times.add(facts.value("seconds", std::map<std::string, double>{}));
  state_.sent_bytes = facts.value("sent_bytes", std::int64_t{0});
  state_.server.import_tensors(reader.read(checkpoint_groups::server), state_.model.device());
  state_.round = RoundId(reader.info().rounds_done);
  check_clients(facts.value("clients", reader.groups(checkpoint_groups::clients)), checkpoint);
  if (facts.value("ranks", std::int64_t{0}) == comm_.size()) {
    placement = placement_of(facts.at("placement"));
  }
}

void RunCheckpoints::read_clients(const std::filesystem::path& checkpoint) {
  const CheckpointReader reader(checkpoint);
  for (const auto& [id, client] : hosting_.own()) {
    hosting_.with_state(id, [&](NamedState& kept) {
      kept.import_tensors(reader.read(checkpoint_groups::of_client(client.site)),
                          state_.model.device());
    });
  }
}

void RunCheckpoints::check_clients(const std::vector<std::string>& known,
                                   const std::filesystem::path& checkpoint) const {
  const std::set<std::string> sites(known.begin(), known.end());
  for (const Member& member : federation_.members) {
    HARMOFL_VALIDATE(sites.contains(member.site), checkpoint.string(), ": holds no state of site ",
                     member.site, ", only of ", join(known),
                     ". Resume with the shards that the run was started with.");
  }
}

}  // namespace harmofl
