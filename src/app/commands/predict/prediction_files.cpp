// SPDX-License-Identifier: Apache-2.0
#include "app/commands/predict/prediction_files.hpp"

#include "harmofl/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/formats/csv.hpp"
#include "io/formats/npy_writer.hpp"
#include "io/formats/png_writer.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>

namespace harmofl {
namespace {

/// Bytes that file systems let a name have, less room for an extension and a temporary name.
constexpr std::size_t most_name_bytes = 200;
constexpr std::uint8_t foreground = 255;  ///< Of the masks of two classes.

/// Why a part of a name between two "/" cannot name a file or folder; "" where it can.
std::string problem_of(std::string_view part) {
  if (part.empty()) return "has an empty part";
  if (part == "." || part == "..") return "leads to another folder";
  if (!is_printable(part)) return "has characters that do not print";
  if (part.size() > most_name_bytes) return concat("has more than ", most_name_bytes, " bytes");
  return "";
}

std::filesystem::path checked_path(const std::string& name, const std::string& what) {
  std::filesystem::path path;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    const std::string problem = problem_of(part);
    HARMOFL_VALIDATE(problem.empty(), what, " '", printable(name), "' cannot name a file: it ",
                     problem, ". Make the shard anew with other names.");
    path /= part;
    begin = end + 1;
  }
  return path;
}

/// The shortest text that reads as the same float32.
std::string number_text(float value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

void make_parents(const std::filesystem::path& file) {
  std::error_code failed;
  std::filesystem::create_directories(file.parent_path(), failed);
  HARMOFL_VALIDATE(!failed, file.parent_path().string(),
                   ": this folder cannot be made: ", failed.message(),
                   ". Give --output a folder that can be written.");
}

}  // namespace

void make_empty_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  HARMOFL_VALIDATE(!failed && std::filesystem::is_directory(folder, failed), folder.string(),
                   ": this folder cannot be made: ", failed.message(),
                   ". Give --output a folder that can be written.");
  const bool empty = std::filesystem::is_empty(folder, failed);
  HARMOFL_VALIDATE(!failed && empty, folder.string(),
                   ": there are files in this folder already. Give --output a new one.");
}

// Masks of two classes are black and white, so that any viewer shows them; of more they hold the
// class itself.
void PredictionFiles::write_mask(const std::filesystem::path& file,
                                 const Prediction& prediction) const {
  torch::Tensor mask = prediction.classes.to(torch::kUInt8);
  if (format_.class_names.size() == 2) mask = mask * foreground;
  mask = mask.contiguous();
  const std::span pixels(mask.const_data_ptr<std::uint8_t>(),
                         static_cast<std::size_t>(mask.numel()));
  make_parents(file);
  write_text_file(file.string() + ".png", grey_png(pixels, mask.size(0), mask.size(1)));
  if (!format_.probabilities) return;
  const torch::Tensor values = prediction.probabilities.contiguous();
  write_text_file(file.string() + ".npy",
                  npy_bytes({values.const_data_ptr<float>(), values.nbytes() / sizeof(float)},
                            values.sizes().vec()));
}

std::filesystem::path PredictionFiles::file_of(const ImageName& name) {
  std::filesystem::path file = folder_;
  if (!name.site.empty()) {
    HARMOFL_VALIDATE(
        name.site.find('/') == std::string::npos, "the site '", printable(name.site),
        "' cannot name a folder: it has a '/'. Make the shard anew with another name.");
    file /= checked_path(name.site, "the site");
  }
  file /= checked_path(name.id, name.site.empty() ? "the image" : concat(name.site, ": the image"));
  HARMOFL_VALIDATE(written_.insert(file).second, file.string(), ": two images have this name",
                   name.split.empty() ? ". Give them other names."
                                      : ", which lie in several splits. Predict one --split.");
  return file;
}

void PredictionFiles::add(const ImageName& name, const Prediction& prediction) {
  if (format_.task == Task::segmentation) return write_mask(file_of(name), prediction);
  const auto label = static_cast<std::size_t>(prediction.classes.item<std::int64_t>());
  rows_ += concat(csv_field(name.site), ",", name.split, ",", csv_field(name.id), ",",
                  csv_field(format_.class_names[label]));
  const torch::Tensor values = prediction.probabilities.contiguous();
  for (std::int64_t k = 0; k < values.numel(); ++k) {
    rows_ += "," + number_text(values.const_data_ptr<float>()[k]);
  }
  rows_ += "\n";
}

void PredictionFiles::add_volume(const std::string& name, std::string_view bytes) {
  const std::filesystem::path file = file_of({"", "", name});
  make_parents(file);
  write_text_file(file, bytes);
}

std::string PredictionFiles::header() const {
  std::string line = "site,split,id,class";
  for (const std::string& name : format_.class_names) {
    line += "," + csv_field("probability of " + name);
  }
  return line + "\n";
}

}  // namespace harmofl
