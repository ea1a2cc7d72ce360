// SPDX-License-Identifier: Apache-2.0
#include "fl/record/fingerprint_log.hpp"

#include "model/fingerprint.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace harmofl {

using nlohmann::json;

FingerprintLog::FingerprintLog(const Communicator& comm, const Federation& federation,
                               const RunFolder* folder, const std::vector<Slot>& slots)
    : comm_(comm), federation_(federation), folder_(folder), slots_(slots) {}

std::vector<std::string> FingerprintLog::hashes_of(const torch::Tensor& state) const {
  if (!comm_.is_root()) return {};
  return fingerprints(state, slots_);
}

void FingerprintLog::begin(RoundId round, const torch::Tensor& state) {
  own_.clear();
  round_ = {.round = round.value(), .tensors = heads_of(slots_), .start = hashes_of(state)};
}

void FingerprintLog::take_average(const torch::Tensor& state) { round_.average = hashes_of(state); }

void FingerprintLog::end(const torch::Tensor& state, const NamedState& server,
                         const std::vector<ClientId>& counted) {
  gather(counted);
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    round_.model = hashes_of(state);
    round_.server = fingerprints(server);
    if (round_.average == round_.model) round_.average.clear();
    if (folder_ != nullptr) folder_->append_fingerprints(to_json(round_).dump() + "\n");
  });
}

// Who was left out is known after everybody has trained.
void FingerprintLog::gather(const std::vector<ClientId>& counted) {
  json own = json::array();
  for (auto& [id, client] : own_) {
    client.site = federation_.members[id.position()].site;
    if (!std::ranges::binary_search(counted, id)) client.weight.reset();
    own.push_back(json::array({id.value(), to_json(client)}));
  }
  std::map<std::int64_t, ClientFingerprints> all;
  const std::size_t tensors = slots_.size();
  for (const std::string& of_rank : comm_.gather(own.dump())) {
    const json list = json::parse(of_rank);
    for (const json& item : list) {
      all[item.at(0).get<std::int64_t>()] =
          parse_client_fingerprints({item.at(1), "fingerprints of a rank", ""}, tensors);
    }
  }
  round_.clients.clear();
  for (auto& [id, client] : all) round_.clients.push_back(std::move(client));
}

}  // namespace harmofl
