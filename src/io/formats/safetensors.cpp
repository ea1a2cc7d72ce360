// SPDX-License-Identifier: Apache-2.0
#include "io/formats/safetensors.hpp"

#include "base/process/memory.hpp"
#include "harmofl/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/formats/json.hpp"
#include "io/tensor_elements.hpp"
#include "io/tensor_names.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <span>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

namespace harmofl {
namespace {

using nlohmann::json;

constexpr const char* remedy = "Fetch the file again, or write it anew.";
constexpr const char* metadata_key = "__metadata__";
constexpr std::uint64_t length_bytes = 8;
constexpr std::uint64_t max_header_bytes = 100'000'000;  // the reference implementation's limit
constexpr std::size_t header_alignment = 8;
constexpr int deepest = 3;  ///< The numbers of a shape, in a tensor, in the header.
constexpr std::uint64_t part_bytes = std::uint64_t{1} << 20;  ///< Of data, read at once.

constexpr std::pair<const char*, ElementType> known_types[] = {
    {"F64", ElementType::float64},   {"F32", ElementType::float32}, {"F16", ElementType::float16},
    {"BF16", ElementType::bfloat16}, {"I64", ElementType::int64},   {"I32", ElementType::int32},
    {"I16", ElementType::int16},     {"I8", ElementType::int8},     {"U8", ElementType::uint8},
    {"BOOL", ElementType::boolean},
};

/// What the header says of one tensor. `begin` and `end` count from the end of the header.
struct Entry {
  std::string name;
  ElementType type;
  std::vector<std::int64_t> shape;
  std::int64_t count;
  std::uint64_t begin, end;
};

/// Throws "file: subject: problem. Remedy." unless `good`.
template <class... Parts>
void check(bool good, const std::string& subject, const Parts&... problem) {
  HARMOFL_VALIDATE(good, subject, ": ", problem..., ". ", remedy);
}

/// A file that is read part by part.
class Source {
 public:
  explicit Source(const std::filesystem::path& path) : name_(path.string()) {
    std::error_code error;
    check(std::filesystem::exists(path, error), name_, "there is no such file");
    check(std::filesystem::is_regular_file(path, error), name_, "this is not a regular file");
    size_ = std::filesystem::file_size(path, error);
    stream_.open(path, std::ios::binary);
    check(stream_.good() && !error, name_, "cannot be read");
  }

  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }

  /// The next bytes; there must be as many.
  void read(char* bytes, std::uint64_t count) {
    stream_.read(bytes, static_cast<std::streamsize>(count));
    check(stream_.good(), name_, "cannot be read");
  }

 private:
  std::string name_;
  std::uint64_t size_ = 0;
  std::ifstream stream_;
};

/// The JSON text at the start of the file.
std::string read_header(Source& source) {
  const std::string& file = source.name();
  check(source.size() >= length_bytes, file, "expected at least ", length_bytes,
        " bytes, which give the length of the header, found ", source.size());
  std::uint64_t length = 0;
  source.read(reinterpret_cast<char*>(&length), length_bytes);
  check(length <= max_header_bytes, file, "the header's length is ", length,
        " bytes; expected at most ", max_header_bytes);
  check(length <= source.size() - length_bytes, file, "the header's length is ", length,
        " bytes, but the file has only ", source.size() - length_bytes, " after the length");
  std::string text(length, '\0');
  source.read(text.data(), length);
  check(text.starts_with('{'), file, "expected a header that begins with '{'",
        text.empty() ? ", found an empty one" : "");
  return text;
}

json parse_header(std::string_view text, const std::string& file) {
  try {
    return parse_json(text, deepest);
  } catch (const JsonError& error) {
    check(false, file, "the header ", error.what());
  }
  return {};
}

void check_metadata(const json& metadata, const std::string& file) {
  check(metadata.is_object(), file, "expected '", metadata_key,
        "' to be an object of strings, found ", shown(metadata));
  for (const auto& [key, value] : metadata.items()) {
    check(value.is_string(), file, "expected '", metadata_key,
          "' to be an object of strings, found ", shown(value), " under '", key, "'");
  }
}

ElementType element_type(const json& value, const std::string& subject) {
  check(value.is_string(), subject, "expected 'dtype' to be a string, found ", shown(value));
  std::vector<std::string> names;
  for (const auto& [name, type] : known_types) {
    if (value == name) return type;
    names.emplace_back(name);
  }
  throw UserError(concat(subject, ": elements of type ", value.get<std::string>(),
                         " cannot be read; known: ", join(names),
                         ". Convert the tensor to one of them."));
}

/// The list of whole numbers from 0 to the largest int64 under `key`.
std::vector<std::int64_t> sizes_under(const json& info, const char* key,
                                      const std::string& subject) {
  const json& list = info.at(key);
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  check(list.is_array() && std::ranges::all_of(list,
                                               [](const json& size) {
                                                 return size.is_number_unsigned() &&
                                                        size.get<std::uint64_t>() <= most;
                                               }),
        subject, "expected '", key, "' to be a list of whole numbers from 0 to ", most, ", found ",
        shown(list));
  return list.get<std::vector<std::int64_t>>();
}

Entry read_entry(const std::string& name, const json& info, std::uint64_t data_bytes,
                 const std::string& file) {
  const std::string problem = tensor_name_problem(name);
  check(problem.empty(), file, "the name of a tensor ", problem);
  const std::string subject = concat(file, ": tensor '", name, "'");
  check(info.is_object(), subject, "expected an object, found ", shown(info));
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    check(info.contains(key), subject, "has no '", key, "'");
  }
  Entry entry{name, element_type(info.at("dtype"), subject), {}, 0, 0, 0};
  entry.shape = sizes_under(info, "shape", subject);
  const std::vector<std::int64_t> offsets = sizes_under(info, "data_offsets", subject);
  check(offsets.size() == 2, subject, "expected 2 numbers under 'data_offsets', found ",
        offsets.size());
  entry.begin = static_cast<std::uint64_t>(offsets[0]);
  entry.end = static_cast<std::uint64_t>(offsets[1]);
  check(entry.begin <= entry.end && entry.end <= data_bytes, subject, "its data_offsets are ",
        shown(info.at("data_offsets")), "; expected a begin, an end not before it, and no more ",
        "than the ", data_bytes, " bytes of data that the file has");

  std::vector<std::int64_t> with_bytes = entry.shape;
  with_bytes.push_back(static_cast<std::int64_t>(size_bytes(entry.type)));
  const auto bytes = element_count(with_bytes);
  check(bytes.has_value(), subject, "the shape ", shown(info.at("shape")), " is too large");
  check(static_cast<std::uint64_t>(*bytes) == entry.end - entry.begin, subject, "shape ",
        shown(info.at("shape")), " and dtype ", info.at("dtype").get<std::string>(), " need ",
        *bytes, " bytes, but data_offsets ", shown(info.at("data_offsets")), " hold ",
        entry.end - entry.begin);
  entry.count = *element_count(entry.shape);
  return entry;
}

/// Sorts by place; the tensors must follow one another from the first to the last byte of data.
void check_places(std::vector<Entry>& entries, std::uint64_t data_bytes, const std::string& file) {
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::tie(e.begin, e.end, e.name); });
  std::uint64_t expected = 0;
  for (const Entry& entry : entries) {
    check(entry.begin == expected, concat(file, ": tensor '", entry.name, "'"),
          "its data begin at byte ", entry.begin, ", but those before it end at byte ", expected,
          entry.begin < expected ? ": they overlap" : ": there is a gap");
    expected = entry.end;
  }
  check(expected == data_bytes, file, "the tensors end at byte ", expected, " of the data, but ",
        "the file has ", data_bytes, " bytes of data");
}

std::vector<Entry> read_entries(const json& header, std::uint64_t data_bytes,
                                const std::string& file) {
  std::vector<Entry> entries;
  for (const auto& [name, info] : header.items()) {
    if (name == metadata_key) {
      check_metadata(info, file);
    } else {
      entries.push_back(read_entry(name, info, data_bytes, file));
    }
  }
  check_places(entries, data_bytes, file);
  return entries;
}

/// Throws UserError unless this machine could hold the tensors.
void check_memory(const std::vector<Entry>& entries, const std::string& file) {
  std::uint64_t values = 0;
  for (const Entry& entry : entries) values += static_cast<std::uint64_t>(entry.count);
  const auto memory = static_cast<std::uint64_t>(machine_memory_bytes());
  HARMOFL_VALIDATE(values <= memory / sizeof(float), file, ": the tensors take ", values,
                   " float32 values, this machine has ", memory,
                   " bytes of memory. Check the file, or use a larger machine.");
}

/// Reads the tensor whose data come next.
NamedTensor read_tensor(const Entry& entry, Source& source) {
  NamedTensor tensor{entry.name, "", entry.shape, {}};
  tensor.values.resize(static_cast<std::size_t>(entry.count));
  const std::uint64_t size = size_bytes(entry.type);
  std::vector<char> part(std::min(part_bytes, entry.end - entry.begin));
  for (std::uint64_t done = 0; done < tensor.values.size(); done += part.size() / size) {
    const std::uint64_t count = std::min(part.size() / size, tensor.values.size() - done);
    source.read(part.data(), count * size);
    convert_to_float32(entry.type, std::as_bytes(std::span(part).first(count * size)),
                       std::span(tensor.values).subspan(done, count));
  }
  return tensor;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The header with its length in front and spaces behind, so that the data are aligned.
std::string header_bytes(const nlohmann::ordered_json& header, const std::string& file) {
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception& error) {  // names that are not UTF-8
    throw UserError(concat(file, ": these names cannot be written (", error.what(),
                           "). Name tensors in UTF-8."));
  }
  text.resize((text.size() + header_alignment - 1) / header_alignment * header_alignment, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(length_bytes, '\0');
  std::memcpy(bytes.data(), &length, length_bytes);
  return bytes + text;
}

}  // namespace

std::vector<NamedTensor> read_safetensors(const std::filesystem::path& path) {
  Source source(path);
  const std::string text = read_header(source);
  const std::uint64_t data_bytes = source.size() - length_bytes - text.size();
  const std::vector<Entry> entries =
      read_entries(parse_header(text, source.name()), data_bytes, source.name());
  check_memory(entries, source.name());
  std::vector<NamedTensor> tensors;
  for (const Entry& entry : entries) tensors.push_back(read_tensor(entry, source));
  return tensors;
}

void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::string file = path.string();
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[metadata_key] = metadata;
  std::string data;
  for (const bool counters : {true, false}) {
    for (const NamedTensor& tensor : tensors) {
      if (is_counter(tensor.name) != counters) continue;
      HARMOFL_EXPECT(element_count(tensor.shape) ==
                     static_cast<std::int64_t>(tensor.values.size()));
      HARMOFL_VALIDATE(tensor.name != metadata_key && !header.contains(tensor.name), file, ": '",
                       tensor.name, "' cannot name one more tensor. Give each a name of its own, ",
                       "and none the name ", metadata_key, ".");
      const std::size_t begin = data.size();
      data += counters ? bytes_of(counter_values(tensor, file)) : bytes_of(tensor.values);
      header[tensor.name] = {{"dtype", counters ? "I64" : "F32"},
                             {"shape", tensor.shape},
                             {"data_offsets", {begin, data.size()}}};
    }
  }
  write_text_file(path, header_bytes(header, file) + data);
}

}  // namespace harmofl
