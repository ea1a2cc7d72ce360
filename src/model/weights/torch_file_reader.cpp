// SPDX-License-Identifier: Apache-2.0
#include "base/process/memory.hpp"
#include "harmofl/base/error.hpp"
#include "io/formats/zip_archive.hpp"
#include "io/tensor_elements.hpp"
#include "model/weights/torch_file.hpp"
#include "model/weights/torch_pickle.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace harmofl {
namespace {

using torch_pickle::StoredTensor;

constexpr const char* remedy =
    "Fetch the file again, or write it anew with torch.save(model.state_dict(), path).";

constexpr std::uint64_t max_order_bytes = 16;
/// How often all elements of a file may be used; layers that share their weights are written once.
constexpr std::uint64_t max_uses = 16;

/// Throws "file: problem. Remedy." unless `good`.
template <class... Parts>
void check(bool good, const std::string& file, const Parts&... problem) {
  HARMOFL_VALIDATE(good, file, ": ", problem..., ". ", remedy);
}

/// The records of an archive, which lie in a folder of its own in it; each is read once.
class Archive {
 public:
  explicit Archive(const std::filesystem::path& path)
      : file_(path.string()), zip_(path), folder_(zip_.first()) {
    folder_.resize(std::min(folder_.find('/'), folder_.size()));
  }

  bool has(const std::string& record) const { return zip_.has(folder_ + "/" + record); }

  std::uint64_t size(const std::string& record) const {
    check(has(record), file_, "it has no record '", record, "'");
    return zip_.size(folder_ + "/" + record);
  }

  std::span<const std::byte> read(const std::string& record) {
    auto found = records_.find(record);
    if (found == records_.end()) {
      check_memory(size(record));
      found = records_.emplace(record, zip_.read(folder_ + "/" + record)).first;
    }
    return found->second;
  }

  /// A record of at most `most` bytes.
  std::string text(const std::string& record, std::uint64_t most) {
    check(size(record) <= most, file_, "its record '", record, "' has ", size(record),
          " bytes; expected at most ", most);
    const auto bytes = read(record);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// Throws UserError unless this machine could hold `bytes`.
  void check_memory(std::uint64_t bytes) const {
    const auto memory = static_cast<std::uint64_t>(machine_memory_bytes());
    check(bytes <= memory, file_, "it takes ", bytes, " bytes, this machine has ", memory);
  }

 private:
  std::string file_;
  ZipArchive zip_;
  std::string folder_;
  std::map<std::string, std::vector<std::byte>> records_;
};

/// Number of elements of the storage up to the last that the tensor uses; nothing when a size,
/// a stride or the offset is negative or the number does not fit.
std::optional<std::int64_t> elements_used(const StoredTensor& tensor) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  if (tensor.offset < 0) return {};
  std::int64_t last = tensor.offset;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    const std::int64_t steps = tensor.shape[axis] - 1, stride = tensor.strides[axis];
    if (steps < 0 || stride < 0) return {};
    if (stride != 0 && steps > (most - 1 - last) / stride) return {};
    last += steps * stride;
  }
  return last < most ? std::optional(last + 1) : std::nullopt;
}

/// Copies the tensor's elements out of its storage, row-major; all places have been checked.
std::vector<std::byte> gather(const StoredTensor& tensor, std::int64_t count,
                              std::span<const std::byte> storage) {
  const std::size_t size = size_bytes(tensor.type);
  std::vector<std::byte> elements(static_cast<std::size_t>(count) * size);
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  std::int64_t place = tensor.offset;
  for (std::size_t i = 0; i < elements.size(); i += size) {
    std::memcpy(&elements[i], &storage[static_cast<std::size_t>(place) * size], size);
    for (std::size_t axis = index.size(); axis-- > 0;) {  // to the next index
      if (tensor.shape[axis] == 1) continue;              // its stride may be any number
      place += tensor.strides[axis];
      if (++index[axis] < tensor.shape[axis]) break;
      place -= tensor.strides[axis] * std::exchange(index[axis], 0);
    }
  }
  return elements;
}

/// Throws UserError unless the tensor lies within its storage; returns its number of elements.
std::uint64_t check_tensor(const StoredTensor& stored, const Archive& archive,
                           const std::string& file) {
  const auto wrong = [&](bool bad, const char* problem) {
    check(!bad, file, "tensor '", stored.name, "' ", problem);
  };
  const auto count = element_count(stored.shape);
  wrong(!count, "has a shape with negative or too large sizes");
  if (*count == 0) return 0;
  const std::uint64_t bytes = archive.size("data/" + stored.storage);
  const auto used = elements_used(stored);
  wrong(stored.storage_count < 0 ||
            bytes / size_bytes(stored.type) < static_cast<std::uint64_t>(stored.storage_count),
        "has a storage that is larger than its data");
  wrong(!used || *used > stored.storage_count, "reaches beyond its storage");
  wrong(*count > stored.storage_count, "repeats elements of its storage; write a .clone() of it");
  return static_cast<std::uint64_t>(*count);
}

/// Throws UserError unless all tensors are good, and together not far larger than the file.
void check_tensors(const std::vector<StoredTensor>& tensors, const Archive& archive,
                   const std::string& file) {
  std::map<std::string, std::uint64_t> uses;  // of a storage: elements of all its tensors
  std::uint64_t elements = 0;
  for (const StoredTensor& tensor : tensors) {
    const std::uint64_t count = check_tensor(tensor, archive, file);
    if (count == 0) continue;
    elements += count;
    std::uint64_t& used = uses[tensor.storage];
    used += count;
    check(used / max_uses <= static_cast<std::uint64_t>(tensor.storage_count), file, "more than ",
          max_uses, " tensors as large as storage '", tensor.storage,
          "' share it, the last of them '", tensor.name, "'; write a .clone() of each");
  }
  archive.check_memory(elements * sizeof(float));
}

NamedTensor read_tensor(const StoredTensor& stored, Archive& archive) {
  NamedTensor tensor{stored.name, "", stored.shape, {}};
  const std::int64_t count = element_count(stored.shape).value();
  if (count == 0) return tensor;
  const auto bytes = archive.read("data/" + stored.storage);
  tensor.values.resize(static_cast<std::size_t>(count));
  convert_to_float32(stored.type, gather(stored, count, bytes), tensor.values);
  return tensor;
}

std::vector<NamedTensor> read_archive(const std::filesystem::path& path) {
  const std::string file = path.string();
  Archive archive(path);
  check(archive.has(torch_pickle::record), file, "this zip archive was not made by torch.save");
  if (archive.has("byteorder")) {
    const std::string order = archive.text("byteorder", max_order_bytes);
    check(order == "little", file, "expected little-endian data, found '", order, "'");
  }
  const auto stored = torch_pickle::read_state_dict(
      archive.text(torch_pickle::record, torch_pickle::max_bytes), file);
  check_tensors(stored, archive, file);
  std::vector<NamedTensor> tensors;
  for (const StoredTensor& tensor : stored) tensors.push_back(read_tensor(tensor, archive));
  return tensors;
}

}  // namespace

std::vector<NamedTensor> read_torch_file(const std::filesystem::path& path) {
  const std::string file = path.string();
  std::error_code error;
  check(std::filesystem::exists(path, error), file, "there is no such file");
  check(std::filesystem::is_regular_file(path, error), file, "this is not a regular file");
  try {
    return read_archive(path);
  } catch (const ZipError& cause) {
    check(false, file, "this is not a whole zip archive of torch.save (", cause.what(), ")");
  }
  return {};
}

}  // namespace harmofl
