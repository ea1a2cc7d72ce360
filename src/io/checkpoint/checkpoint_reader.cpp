// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/checkpoint/checkpoint_format.hpp"
#include "io/checkpoint/checkpoint_seal.hpp"
#include "io/hdf5/hdf5.hpp"

#include <algorithm>
#include <utility>

namespace harmofl {
namespace {

CheckpointInfo read_info(const hdf5::File& file) {
  const std::int64_t found = file.int_attribute("/", "format_version");
  if (found != checkpoint_format::version) {
    file.fail("/", concat("attribute 'format_version': expected ", checkpoint_format::version,
                          ", found ", found));
  }
  CheckpointInfo info;
  info.rounds_done = file.int_attribute("/", "rounds_done");
  info.algorithm = file.string_attribute("/", "algorithm");
  info.config = file.string_attribute("/", "config");
  info.state = file.string_attribute("/", "state");
  if (info.rounds_done < 0) {
    file.fail("/", concat("attribute 'rounds_done': expected 0 or more, found ", info.rounds_done));
  }
  return info;
}

NamedTensor read_tensor(const hdf5::File& file, const std::string& group, const std::string& name) {
  const std::string dataset = concat("/", group, "/", name);
  const hdf5::DatasetInfo found = file.dataset_info(dataset);
  if (found.type != hdf5::Type::float32) {
    file.fail(dataset, concat("expected elements of type float32, found ", to_string(found.type)));
  }
  NamedTensor tensor{name, file.string_attribute(dataset, "role"), found.shape, {}};
  tensor.values.resize(static_cast<std::size_t>(found.count()));
  file.read(dataset, hdf5::Type::float32, tensor.values.data());
  const std::string stored = file.string_attribute(dataset, "xxh3");
  const std::string computed = checkpoint_format::values_checksum(tensor);
  if (stored != computed) {
    file.fail(dataset, concat("expected content with the checksum ", stored,
                              " (attribute 'xxh3'), found ", computed, ": the data are damaged"));
  }
  return tensor;
}

/// Names of the tensors right in `group`, in the order of their `index`.
std::vector<std::string> tensors_of(const hdf5::File& file, const std::string& group) {
  const std::string parent = "/" + group;
  std::vector<std::pair<std::int64_t, std::string>> order;
  for (const std::string& name : file.children(parent)) {
    const std::string child = concat(parent, "/", name);
    if (!file.is_group(child)) order.emplace_back(file.int_attribute(child, "index"), name);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& [index, name] = order[i];
    if (index != static_cast<std::int64_t>(i)) {
      file.fail(parent, concat("expected a tensor with index ", i, ", found ", index, " ('", name,
                               "'): a tensor is missing"));
    }
    names.push_back(name);
  }
  return names;
}

/// Reads all tensors of a file. Links may make a group its own child, which would never end: a
/// group takes at least `least_group_bytes` of the file, so that more cannot be there.
class Verification {
 public:
  explicit Verification(const hdf5::File& file)
      : file_(file), groups_left_(std::filesystem::file_size(file.path()) / least_group_bytes) {}

  /// Reads what is in `group` and in the groups below it, one tensor at a time.
  void group(const std::string& group, int depth = 0) {
    if (depth > deepest || groups_left_-- == 0) {
      file_.fail("/" + group, "groups lie in one another without end");
    }
    for (const std::string& name : tensors_of(file_, group)) read_tensor(file_, group, name);
    for (const std::string& name : file_.children("/" + group)) {
      const std::string child = concat(group, "/", name);
      if (file_.is_group("/" + child)) this->group(child, depth + 1);
    }
  }

 private:
  static constexpr int deepest = 32;
  static constexpr std::uintmax_t least_group_bytes = 64;

  const hdf5::File& file_;
  std::uintmax_t groups_left_;
};

}  // namespace

struct CheckpointReader::Impl {
  hdf5::File file;
  CheckpointInfo info;
};

std::string checkpoint_groups::of_client(const std::string& site) {
  return concat(clients, "/", site);
}

CheckpointReader::CheckpointReader(std::filesystem::path path) {
  hdf5::File file = hdf5::File::open(path, checkpoint_format::remedy);
  CheckpointInfo info = read_info(file);
  impl_.reset(new Impl{std::move(file), std::move(info)});
}

CheckpointReader::~CheckpointReader() = default;

const CheckpointInfo& CheckpointReader::info() const { return impl_->info; }

std::vector<NamedTensor> CheckpointReader::read(
    const std::string& group, const std::function<bool(const std::string&)>& wanted) const {
  const hdf5::File& file = impl_->file;
  if (!file.exists("/" + group)) return {};
  std::vector<NamedTensor> tensors;
  for (const std::string& name : tensors_of(file, group)) {
    if (!wanted || wanted(name)) tensors.push_back(read_tensor(file, group, name));
  }
  return tensors;
}

void CheckpointReader::verify(const std::filesystem::path& path) {
  const checkpoint_seal::State seal = checkpoint_seal::check(path);
  HARMOFL_VALIDATE(seal != checkpoint_seal::State::broken, path.string(),
                   ": its content does not match the checksum at its end: it is damaged. ",
                   checkpoint_format::remedy);
  const CheckpointReader reader(path);
  if (seal == checkpoint_seal::State::right) return;
  const hdf5::File& file = reader.impl_->file;
  Verification verification(file);
  for (const std::string& group : file.children("/")) verification.group(group);
}

std::vector<std::string> CheckpointReader::groups(const std::string& group) const {
  const hdf5::File& file = impl_->file;
  const std::string parent = "/" + group;
  if (!file.exists(parent)) return {};
  std::vector<std::string> names = file.children(parent);
  std::erase_if(names,
                [&](const std::string& name) { return !file.is_group(concat(parent, "/", name)); });
  return names;
}

}  // namespace harmofl
