// SPDX-License-Identifier: Apache-2.0
#include "data/batches/first_samples.hpp"

#include <algorithm>
#include <utility>

namespace harmofl {
namespace {

class FirstOfSource : public SampleSource {
 public:
  FirstOfSource(std::shared_ptr<const SampleSource> all, std::int64_t count)
      : all_(std::move(all)), count_(count) {}

  std::int64_t count() const override { return count_; }
  SampleBlock make_block(std::int64_t count) const override { return all_->make_block(count); }
  void read(std::span<const std::int64_t> rows, SampleBlock& block) const override {
    all_->read(rows, block);
  }
  void check_unchanged() const override { all_->check_unchanged(); }

 private:
  std::shared_ptr<const SampleSource> all_;
  std::int64_t count_;
};

}  // namespace

Samples first_samples(const Samples& samples, std::int64_t count) {
  count = std::min(count, samples.count());
  Samples first = samples;
  if (samples.source) {
    first.source = std::make_shared<const FirstOfSource>(samples.source, count);
  } else if (samples.images.defined()) {
    first.images = samples.images.narrow(0, 0, count);
    first.targets = samples.targets.narrow(0, 0, count);
  }
  return first;
}

}  // namespace harmofl
