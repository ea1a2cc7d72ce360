// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/checkpoint/checkpoint_format.hpp"
#include "io/checkpoint/checkpoint_seal.hpp"
#include "io/hdf5/hdf5.hpp"

#include <span>

namespace harmofl {
namespace {

/// HDF5 reads '/' as the border of groups, and '.' alone as the group itself.
void check_name(const hdf5::File& file, const std::string& group, const std::string& name) {
  const bool good = !name.empty() && name != "." && name.find('/') == std::string::npos;
  if (!good) file.fail("/" + group, "'" + name + "' cannot name a tensor (it must have no '/')");
}

}  // namespace

struct CheckpointWriter::Impl {
  Impl(const std::filesystem::path& path, std::int64_t rounds)
      : place(path), file(hdf5::File::create(place.temporary(), path)), rounds_done(rounds) {}

  AtomicFile place;
  hdf5::File file;  // closed before `place` removes it
  std::int64_t rounds_done;
  bool flushed = false;
};

CheckpointWriter::CheckpointWriter(std::filesystem::path path, const CheckpointInfo& info)
    : impl_(std::make_unique<Impl>(path, info.rounds_done)) {
  hdf5::File& file = impl_->file;
  file.write_attribute("/", "format_version", checkpoint_format::version);
  file.write_attribute("/", "rounds_done", info.rounds_done);
  file.write_attribute("/", "algorithm", info.algorithm);
  file.write_attribute("/", "config", info.config);
  file.write_attribute("/", "state", info.state);
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::write(const std::string& group, const std::vector<NamedTensor>& tensors) {
  hdf5::File& file = impl_->file;
  if (file.disk_failed()) return;
  file.make_group("/" + group);
  std::int64_t index = 0;
  for (const NamedTensor& tensor : tensors) {
    check_name(file, group, tensor.name);
    const std::string dataset = concat("/", group, "/", tensor.name);
    file.write(dataset, hdf5::Type::float32, tensor.shape, tensor.values.data());
    file.write_attribute(dataset, "index", index++);
    file.write_attribute(dataset, "role", tensor.role);
    file.write_attribute(dataset, "xxh3", checkpoint_format::values_checksum(tensor));
  }
  file.flush();
}

void CheckpointWriter::write_script(const StoredScript& script) {
  hdf5::File& file = impl_->file;
  if (file.disk_failed()) return;
  const std::string dataset = checkpoint_format::script;
  file.write(dataset, hdf5::Type::uint8, {std::ssize(script.code)}, script.code.data());
  file.write_attribute(dataset, "xxh3", checksum(std::as_bytes(std::span(script.code))));
  file.write_attribute(dataset, "source_xxh3", script.source_checksum);
}

void CheckpointWriter::flush() {
  impl_->file.close(checkpoint_seal::of);
  impl_->place.flush();
  impl_->flushed = true;
}

void CheckpointWriter::commit() {
  if (!impl_->flushed) flush();
  impl_->place.commit();
}

std::int64_t CheckpointWriter::rounds_done() const { return impl_->rounds_done; }

}  // namespace harmofl
