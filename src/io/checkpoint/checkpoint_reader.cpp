// SPDX-License-Identifier: Apache-2.0
#include "base/process/memory.hpp"
#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/checkpoint/checkpoint_format.hpp"
#include "io/checkpoint/checkpoint_seal.hpp"
#include "io/hdf5/hdf5.hpp"
#include "io/tensor_names.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace harmofl {
namespace {

/// The rounds of a run end as numbers in JSON, where 2^53 is the last that every reader knows
/// exactly; what is added to so many does not overflow.
constexpr std::int64_t most_rounds = std::int64_t{1} << 53;

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
  if (info.rounds_done < 0 || info.rounds_done > most_rounds) {
    file.fail("/", concat("attribute 'rounds_done': expected a number from 0 to ", most_rounds,
                          ", found ", info.rounds_done));
  }
  return info;
}

/// How many bytes of tensors may still be read of a file: each lies in it once, as it is.
class Room {
 public:
  explicit Room(const hdf5::File& file)
      : file_bytes_(static_cast<std::int64_t>(std::filesystem::file_size(file.path()))),
        left_(file_bytes_) {}

  /// Throws UserError for a tensor that claims more than is left, or than this machine's memory.
  void take(const hdf5::File& file, const std::string& dataset, std::int64_t values) {
    constexpr std::int64_t each = sizeof(float);
    if (values > left_ / each) {
      file.fail(dataset, concat("claims ", values, " values, with which the tensors take more ",
                                "than the ", file_bytes_, " bytes of the file"));
    }
    if (values > machine_memory_bytes() / each) {
      file.fail(dataset, concat("has ", values, " float32 values, more than the ",
                                machine_memory_bytes(), " bytes of memory of this machine"));
    }
    left_ -= values * each;
  }

 private:
  std::int64_t file_bytes_, left_;
};

NamedTensor read_tensor(const hdf5::File& file, const std::string& group, const std::string& name,
                        Room& room) {
  const std::string dataset = concat("/", group, "/", name);
  const hdf5::DatasetInfo found = file.dataset_info(dataset);
  if (found.type != hdf5::Type::float32) {
    file.fail(dataset, concat("expected elements of type float32, found ", to_string(found.type)));
  }
  room.take(file, dataset, found.count());
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
    const std::string problem = tensor_name_problem(name);
    if (!problem.empty()) file.fail(parent, concat("the name of an object in it ", problem));
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
      : file_(file),
        room_(file),
        groups_left_(std::filesystem::file_size(file.path()) / least_group_bytes) {}

  /// Reads what is in `group` and in the groups below it, one tensor at a time.
  void group(const std::string& group, int depth = 0) {
    if (depth > deepest || groups_left_-- == 0) {
      file_.fail("/" + group, "groups lie in one another without end");
    }
    for (const std::string& name : tensors_of(file_, group)) {
      read_tensor(file_, group, name, room_);
    }
    for (const std::string& name : file_.children("/" + group)) {
      const std::string child = concat(group, "/", name);
      if (file_.is_group("/" + child)) this->group(child, depth + 1);
    }
  }

 private:
  static constexpr int deepest = 32;
  static constexpr std::uintmax_t least_group_bytes = 64;

  const hdf5::File& file_;
  Room room_;
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

CheckpointReader::CheckpointReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

CheckpointReader CheckpointReader::verified_elsewhere(const std::filesystem::path& path) {
  hdf5::File file = hdf5::File::open(path, checkpoint_format::remedy);
  CheckpointInfo info = read_info(file);
  return CheckpointReader(std::unique_ptr<Impl>(new Impl{std::move(file), std::move(info)}));
}

CheckpointReader::CheckpointReader(const std::filesystem::path& path) {
  const checkpoint_seal::State seal = checkpoint_seal::check(path);
  HARMOFL_VALIDATE(seal != checkpoint_seal::State::broken, path.string(),
                   ": its content does not match the checksum at its end: it is damaged. ",
                   checkpoint_format::remedy);
  *this = verified_elsewhere(path);
  if (seal == checkpoint_seal::State::right) return;
  Verification verification(impl_->file);
  for (const std::string& group : impl_->file.children("/")) {
    if ("/" + group != checkpoint_format::script) verification.group(group);
  }
  script();
}

std::optional<StoredScript> CheckpointReader::script() const {
  const hdf5::File& file = impl_->file;
  const std::string dataset = checkpoint_format::script;
  if (!file.exists(dataset)) return std::nullopt;
  const hdf5::DatasetInfo found = file.dataset_info(dataset);
  if (found.type != hdf5::Type::uint8 || found.shape.size() != 1) {
    file.fail(dataset, concat("expected a list of uint8, found ", to_string(found.type), " ",
                              hdf5::to_string(found.shape)));
  }
  if (found.count() > machine_memory_bytes()) {
    file.fail(dataset, concat("has ", found.count(), " bytes, more than this machine's memory"));
  }
  StoredScript script{std::string(static_cast<std::size_t>(found.count()), '\0'),
                      file.string_attribute(dataset, "source_xxh3")};
  file.read(dataset, hdf5::Type::uint8, script.code.data());
  if (checksum(std::as_bytes(std::span(script.code))) != file.string_attribute(dataset, "xxh3")) {
    file.fail(dataset, "its content does not match its checksum (attribute 'xxh3'): it is damaged");
  }
  return script;
}

CheckpointReader::~CheckpointReader() = default;
CheckpointReader::CheckpointReader(CheckpointReader&&) noexcept = default;
CheckpointReader& CheckpointReader::operator=(CheckpointReader&&) noexcept = default;

bool CheckpointReader::has_seal(const std::filesystem::path& path) {
  return checkpoint_seal::is_there(path);
}

std::optional<std::int64_t> CheckpointReader::claimed_rounds(const std::filesystem::path& path) {
  try {
    return verified_elsewhere(path).info().rounds_done;
  } catch (const UserError&) {
    return std::nullopt;
  }
}

const std::filesystem::path& CheckpointReader::path() const { return impl_->file.path(); }

const CheckpointInfo& CheckpointReader::info() const { return impl_->info; }

std::vector<NamedTensor> CheckpointReader::read(
    const std::string& group, const std::function<bool(const std::string&)>& wanted) const {
  const hdf5::File& file = impl_->file;
  if (!file.exists("/" + group)) return {};
  std::vector<NamedTensor> tensors;
  Room room(file);
  for (const std::string& name : tensors_of(file, group)) {
    if (!wanted || wanted(name)) tensors.push_back(read_tensor(file, group, name, room));
  }
  return tensors;
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
