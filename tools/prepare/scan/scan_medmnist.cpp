// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/decode/npz.hpp"
#include "prepare/scan/folder_content.hpp"
#include "prepare/scan/scan_layouts.hpp"

#include <array>
#include <iomanip>
#include <span>
#include <sstream>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t max_rows = std::int64_t{1} << 20;  ///< Of one array; MedMNIST has 165,466.

/// Labels of a split, [N] or [N, 1].
std::vector<std::int64_t> read_label_array(NpzFile& file, const std::string& name) {
  NpzFile::Array array = file.open(name);
  const NpyHeader& header = array.header();
  if (header.shape.size() == 2 && header.shape[1] > 1) {
    file.fail(name, concat("an image has ", header.shape[1], " labels, expected one"));
  }
  if (header.shape.empty() || header.shape.size() > 2) file.fail(name, "expected the shape [N, 1]");
  const std::int64_t count = header.count().value_or(0);
  if (count > max_rows) file.fail(name, concat("it has ", count, " rows, more than ", max_rows));
  std::vector<std::int64_t> labels;
  for (std::int64_t row = 0; row < count; ++row) {
    std::array<unsigned char, 8> bytes{};
    array.read(std::as_writable_bytes(std::span(bytes).first(header.item_bytes)));
    const bool negative = header.kind == 'i' && (bytes[header.item_bytes - 1] & 0x80U) != 0;
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = header.item_bytes; i-- > 0;) value = value << 8U | bytes[i];
    const auto label = static_cast<std::int64_t>(value);
    if (label < 0 || label > 255) {
      file.fail(name, concat("row ", row, " is the label ", label, ", expected 0 to 255"));
    }
    labels.push_back(label);
  }
  return labels;
}

/// Checks the images of a split; returns their number.
std::int64_t check_image_array(NpzFile& file, const std::string& name) {
  const NpyHeader header = file.open(name).header();
  const std::size_t axes = header.shape.size();
  const bool good = header.item_bytes == 1 && header.kind == 'u' &&
                    (axes == 3 || (axes == 4 && header.shape[3] == 3)) && header.shape[1] > 0 &&
                    header.shape[2] > 0;
  if (!good) file.fail(name, "expected bytes of the shape [N, H, W] or [N, H, W, 3]");
  return header.shape[0];
}

std::string row_id(Split split, std::int64_t row) {
  std::ostringstream id;  // one width, so that the order of ids is that of rows
  id << to_string(split) << '_' << std::setw(7) << std::setfill('0') << row;
  return id.str();
}

std::vector<Sample> read_medmnist(const std::filesystem::path& path) {
  NpzFile file(path);
  std::vector<Sample> samples;
  for (const Split split : all_splits) {
    const std::string images = concat(to_string(split), "_images");
    const std::string labels = concat(to_string(split), "_labels");
    if (file.has(images) != file.has(labels)) {
      file.fail(file.has(images) ? labels : images, "it is missing");
    }
    if (!file.has(images)) continue;
    const std::int64_t count = check_image_array(file, images);
    const std::vector<std::int64_t> values = read_label_array(file, labels);
    if (count != std::ssize(values)) {
      file.fail(labels, concat("it has ", values.size(), " labels for ", count, " images"));
    }
    for (std::int64_t row = 0; row < count; ++row) {
      samples.push_back({.id = row_id(split, row),
                         .image = path,
                         .mask = {},
                         .label = std::to_string(values[static_cast<std::size_t>(row)]),
                         .split = split,
                         .patient = {},
                         .array = images,
                         .row = row});
    }
  }
  HARMOFL_VALIDATE(!samples.empty(), path.string(), ": has no images: expected arrays ",
                   "train_images, train_labels and so on. Give a file of MedMNIST.");
  return samples;
}

}  // namespace

Sources scan_medmnist(const Options& options) {
  Sources sources;
  sources.task = Task::classification;
  refuse_images(list_folder(options.input));
  for (const auto& entry : std::filesystem::directory_iterator(options.input)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() != ".npz" || path.filename().string().starts_with('.')) continue;
    sources.sites[path.stem().string()] = read_medmnist(path);
  }
  return sources;
}

}  // namespace harmofl::prepare
