// SPDX-License-Identifier: Apache-2.0
#include "data/shard_source.hpp"

#include "data/sample_tensors.hpp"
#include "harmofl/base/error.hpp"
#include "io/shard/shard_samples.hpp"

#include <cstring>
#include <map>
#include <utility>

namespace harmofl {
namespace {

class ShardSource : public SampleSource {
 public:
  ShardSource(std::vector<SampleRef> refs, Split split, ShardPool& shards, const ShardInfo& info)
      : refs_(std::move(refs)), split_(split), info_(info) {
    for (const SampleRef& ref : refs_) {
      const auto [place, is_new] = shards_.try_emplace(ref.shard, nullptr);
      if (is_new) place->second = &shards.samples(ref.shard);
      const ShardReader& shard = place->second->shard();
      HARMOFL_VALIDATE(ref.row < shard.count(split), shard.path().string(), ": sample ", ref.row,
                       " of ", to_string(split), " was asked for, but there are ",
                       shard.count(split), ". Start again: this shard has changed.");
    }
    if (info.task == Task::classification) read_labels(shards);
  }

  std::int64_t count() const override { return std::ssize(refs_); }

  SampleBlock make_block(std::int64_t count) const override {
    return {torch::empty(image_shape(info_, count), image_type(info_)),
            torch::empty(target_shape(info_, count), target_type(info_))};
  }

  void read(std::span<const std::int64_t> rows, SampleBlock& block) const override {
    HARMOFL_EXPECT(std::ssize(rows) <= block.images.size(0));
    const auto image_bytes =
        static_cast<std::size_t>(info_.values_per_image()) * size_bytes(info_.pixel_type);
    const auto mask_bytes = static_cast<std::size_t>(info_.pixels());
    auto* const images = static_cast<std::byte*>(block.images.mutable_data_ptr());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const SampleRef& ref = refs_[static_cast<std::size_t>(rows[i])];
      const ShardSamples& samples = *shards_.at(ref.shard);
      samples.read_image(split_, ref.row, {images + i * image_bytes, image_bytes});
      if (info_.task == Task::classification) {
        block.targets.mutable_data_ptr<std::int64_t>()[i] =
            labels_[static_cast<std::size_t>(rows[i])];
      } else {
        auto* const masks = block.targets.mutable_data_ptr<std::uint8_t>();
        samples.read_mask(split_, ref.row, {masks + i * mask_bytes, mask_bytes});
      }
    }
  }

  void check_unchanged() const override {
    for (const auto& [shard, samples] : shards_) samples->check_unchanged();
  }

 private:
  void read_labels(ShardPool& shards) {
    std::map<std::int64_t, std::vector<std::int64_t>> all;
    for (const auto& [shard, samples] : shards_) all[shard] = shards.open(shard).labels(split_);
    for (const SampleRef& ref : refs_) {
      labels_.push_back(all.at(ref.shard).at(static_cast<std::size_t>(ref.row)));
    }
  }

  std::vector<SampleRef> refs_;
  Split split_;
  ShardInfo info_;
  std::map<std::int64_t, const ShardSamples*> shards_;
  std::vector<std::int64_t> labels_;  ///< By position; of classification alone.
};

}  // namespace

Samples stream_samples(const std::vector<SampleRef>& refs, Split split, ShardPool& shards,
                       const ShardInfo& info) {
  Samples samples;
  samples.intensity_scale = info.intensity_scale;
  samples.source = std::make_shared<const ShardSource>(refs, split, shards, info);
  return samples;
}

}  // namespace harmofl
