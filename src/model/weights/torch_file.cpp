// SPDX-License-Identifier: Apache-2.0
#include "model/weights/torch_file.hpp"

#include "harmofl/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/tensor_elements.hpp"
#include "model/weights/torch_pickle.hpp"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/types.h>

#include <cstddef>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

namespace harmofl {
namespace {

using torch_pickle::StoredTensor;

constexpr const char* remedy =
    "Fetch the file again, or write it anew with torch.save(model.state_dict(), path).";
constexpr const char* pickle_record = "data.pkl";

/// Throws "file: problem. Remedy." unless `good`.
template <class... Parts>
void check(bool good, const std::string& file, const Parts&... problem) {
  HARMOFL_VALIDATE(good, file, ": ", problem..., ". ", remedy);
}

/// The records of an archive; each is read once.
class Archive {
 public:
  explicit Archive(const std::filesystem::path& path)
      : file_(path.string()), bytes_(std::filesystem::file_size(path)), reader_(file_) {}

  bool has(const std::string& record) { return reader_.hasRecord(record); }

  std::span<const std::byte> read(const std::string& record) {
    check(has(record), file_, "it has no record '", record, "'");
    auto found = records_.find(record);
    if (found == records_.end()) {
      // PyTorch does not compress: a larger record would be a damaged one, or a trap.
      const std::size_t size = reader_.getRecordSize(record);
      check(size <= bytes_, file_, "its record '", record, "' claims ", size,
            " bytes, the file has ", bytes_);
      found = records_.emplace(record, reader_.getRecord(record)).first;
    }
    const auto& [data, size] = found->second;
    return {static_cast<const std::byte*>(data.get()), size};
  }

  std::string text(const std::string& record) {
    const auto bytes = read(record);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::string file_;
  std::uintmax_t bytes_;
  caffe2::serialize::PyTorchStreamReader reader_;
  std::map<std::string, std::tuple<at::DataPtr, std::size_t>> records_;
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

NamedTensor read_tensor(const StoredTensor& stored, Archive& archive, const std::string& file) {
  const auto wrong = [&](bool bad, const char* problem) {
    check(!bad, file, "tensor '", stored.name, "' ", problem);
  };
  const auto count = element_count(stored.shape);
  wrong(!count, "has a shape with negative or too large sizes");
  NamedTensor tensor{stored.name, "", stored.shape, {}};
  if (*count == 0) return tensor;
  const auto bytes = archive.read("data/" + stored.storage);
  const auto used = elements_used(stored);
  wrong(stored.storage_count < 0 ||
            bytes.size() / size_bytes(stored.type) < static_cast<std::size_t>(stored.storage_count),
        "has a storage that is larger than its data");
  wrong(!used || *used > stored.storage_count, "reaches beyond its storage");
  wrong(*count > stored.storage_count, "repeats elements of its storage; write a .clone() of it");
  tensor.values.resize(static_cast<std::size_t>(*count));
  convert_to_float32(stored.type, gather(stored, *count, bytes), tensor.values);
  return tensor;
}

std::vector<NamedTensor> read_archive(const std::filesystem::path& path) {
  const std::string file = path.string();
  Archive archive(path);
  check(archive.has(pickle_record), file, "this zip archive was not made by torch.save");
  if (archive.has("byteorder")) {
    const std::string order = archive.text("byteorder");
    check(order == "little", file, "expected little-endian data, found '", order, "'");
  }
  std::vector<NamedTensor> tensors;
  for (const StoredTensor& stored :
       torch_pickle::read_state_dict(archive.text(pickle_record), file)) {
    tensors.push_back(read_tensor(stored, archive, file));
  }
  return tensors;
}

torch::Tensor tensor_of(const NamedTensor& tensor, const std::string& file) {
  HARMOFL_EXPECT(element_count(tensor.shape) == static_cast<std::int64_t>(tensor.values.size()));
  const auto copy = [&](const auto& values, torch::ScalarType type) {
    torch::Tensor made = torch::empty(tensor.shape, type);
    if (!values.empty()) std::memcpy(made.data_ptr(), values.data(), made.nbytes());
    return made;
  };
  return is_counter(tensor.name) ? copy(counter_values(tensor, file), torch::kInt64)
                                 : copy(tensor.values, torch::kFloat32);
}

/// The pickle of a plain dict, and in `storages` the tensors whose bytes belong to it. (What
/// torch::pickle_save makes carries a type tag, which weights_only refuses.)
std::string pickle_of(const std::vector<NamedTensor>& tensors, const std::string& file,
                      std::vector<torch::Tensor>& storages) {
  c10::impl::GenericDict dict(c10::StringType::get(), c10::TensorType::get());
  for (const NamedTensor& tensor : tensors) {
    const bool is_new = dict.insert(tensor.name, tensor_of(tensor, file)).second;
    HARMOFL_VALIDATE(is_new, file, ": '", tensor.name,
                     "' names two tensors. Give each a name of its own.");
  }
  std::string bytes;
  torch::jit::Pickler pickler([&](const char* data, std::size_t size) { bytes.append(data, size); },
                              nullptr, nullptr, nullptr, nullptr, /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(dict);
  pickler.stop();
  storages = pickler.tensorData();
  return bytes;
}

}  // namespace

std::vector<NamedTensor> read_torch_file(const std::filesystem::path& path) {
  const std::string file = path.string();
  std::error_code error;
  check(std::filesystem::exists(path, error), file, "there is no such file");
  check(std::filesystem::is_regular_file(path, error), file, "this is not a regular file");
  try {
    return read_archive(path);
  } catch (const c10::Error&) {
    check(false, file, "this is not a whole zip archive of torch.save");
  } catch (const std::system_error& cause) {
    check(false, file, "cannot be read (", cause.what(), ")");
  }
  return {};
}

void write_torch_file(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors) {
  std::vector<torch::Tensor> storages;
  const std::string pickle = pickle_of(tensors, path.string(), storages);
  std::string bytes;
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  writer.writeRecord(pickle_record, pickle.data(), pickle.size());
  writer.writeRecord("byteorder", "little", 6);
  for (std::size_t i = 0; i < storages.size(); ++i) {
    writer.writeRecord(concat("data/", i), storages[i].data_ptr(), storages[i].nbytes());
  }
  writer.writeEndOfFile();
  write_text_file(path, bytes);
}

}  // namespace harmofl
