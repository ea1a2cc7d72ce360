// SPDX-License-Identifier: Apache-2.0
/// What the benchmark programs of this layer are told, and what they make of it.
#pragma once

#include "comm/communicator.hpp"
#include "fl/local/local_trainer.hpp"
#include "harmofl/data/client_data.hpp"
#include "model/model.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace harmofl::bench {

/// Words of the command line, each of them name=value.
class Arguments {
 public:
  /// Throws UsageError for a word without a `=`.
  Arguments(int argc, char** argv);

  /// The value of `name`. Throws UsageError when it was not given.
  const std::string& text(const std::string& name) const;
  std::string text(const std::string& name, const std::string& otherwise) const;
  std::int64_t number(const std::string& name) const { return std::stoll(text(name)); }

 private:
  std::map<std::string, std::string> values_;
};

/// The device `device` (cpu | cuda) of a rank; libtorch computes with `threads` from then on.
/// Collective.
torch::Device choose_device(const Arguments& arguments,
                            const Communicator& comm = Communicator::serial());

/// The samples of the file `shard`, on the host.
ClientData load_samples(const Arguments& arguments);

/// Writes what is trained on as the network sees it to the file `samples`, if that is asked for and
/// not there yet: float32 tensors `images` [N, C, H, W], `targets` and `classes` (one number), for
/// programs that read no shards.
void write_samples(const Arguments& arguments, const ClientData& client);

/// The model of `network`, `width`, `precision` (fp32 | tf32 | bf16) and `format` (contiguous |
/// channels-last) for the images of `client`, with HarmoFL's amplitude normalisation unless
/// `method` is fedavg. Its weights are those of the file `weights`, which is written when it is not
/// there.
std::unique_ptr<Model> make_model(const Arguments& arguments, const ClientData& client,
                                  torch::Device device);

/// HarmoFL's local step with Adam, or FedAvg's with plain SGD (`method`), over batches of `batch`
/// images in stored order; recorded as a CUDA graph where `graphs` is true.
LocalOptions local_options(const Arguments& arguments, const ClientData& client);

/// Says "ready", then calls `work` with the number on each line of standard input and answers with
/// what it returns: seconds, and a loss by which to compare.
struct Answer {
  double seconds = 0.0;
  double loss = 0.0;
};
void serve(const std::function<Answer(std::int64_t count)>& work);

/// Runs `program` and turns what goes wrong into a message and an exit code.
int run_program(int argc, char** argv, const std::function<void(const Arguments&)>& program);

}  // namespace harmofl::bench
