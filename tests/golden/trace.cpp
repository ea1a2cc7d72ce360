// SPDX-License-Identifier: Apache-2.0
#include "golden/trace.hpp"

#include "harmofl/base/text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace harmofl::test {

std::filesystem::path trace_folder() {
  if (const char* given = std::getenv("HARMOFL_TRACES")) return given;
  const std::filesystem::path source = HARMOFL_SOURCE_DIR;
  const auto shared = source.parent_path() / "shared" / "traces";
  return std::filesystem::exists(shared) ? shared : source / "tests" / "fixtures" / "traces";
}

Trace::Trace(const std::filesystem::path& path) : path_(path), file_(hdf5::File::open(path)) {}

std::string Trace::text(const std::string& attribute) const {
  return file_.string_attribute("/", attribute);
}
std::int64_t Trace::integer(const std::string& attribute) const {
  return file_.int_attribute("/", attribute);
}
std::vector<std::int64_t> Trace::integers(const std::string& attribute) const {
  return file_.ints_attribute("/", attribute);
}
double Trace::number(const std::string& attribute) const {
  return file_.float_attribute("/", attribute);
}
std::vector<double> Trace::numbers(const std::string& attribute) const {
  return file_.floats_attribute("/", attribute);
}
std::vector<std::string> Trace::texts(const std::string& attribute) const {
  return file_.strings_attribute("/", attribute);
}

torch::Tensor Trace::tensor(const std::string& dataset) const {
  const hdf5::DatasetInfo info = file_.dataset_info(dataset);
  static const std::map<hdf5::Type, torch::ScalarType> types{
      {hdf5::Type::uint8, torch::kUInt8},
      {hdf5::Type::int64, torch::kInt64},
      {hdf5::Type::float32, torch::kFloat32},
      {hdf5::Type::float64, torch::kFloat64}};
  torch::Tensor values = torch::empty(info.shape, types.at(info.type));
  file_.read(dataset, info.type, values.data_ptr());
  return values;
}

torch::Tensor Trace::images(const std::string& dataset) const {
  const torch::Tensor stored = tensor(dataset).to(torch::kFloat32);
  if (!file_.has_attribute(dataset, "divide_by")) return stored;
  return stored / file_.float_attribute(dataset, "divide_by");
}

torch::Tensor Trace::targets(const std::string& dataset) const {
  const torch::Tensor stored = tensor(dataset).to(torch::kInt64);
  return stored.dim() == 4 ? stored.squeeze(1) : stored;
}

Batch Trace::batch(const std::string& group, std::int64_t t) const {
  return {images(concat(group, "/x", t)), targets(concat(group, "/y", t))};
}

std::vector<NamedTensor> Trace::state(const std::string& group, const std::string& omitted) const {
  std::vector<NamedTensor> tensors;
  for (const std::string& name : file_.children(group)) {
    if (name == omitted) continue;
    const torch::Tensor values = tensor(group + "/" + name);
    const auto* data = values.const_data_ptr<float>();
    tensors.push_back(
        {name, "", values.sizes().vec(), std::vector<float>(data, data + values.numel())});
  }
  return tensors;
}

void Trace::note(const std::string& what, double error, double tolerance) {
  ++checked_;
  const double ratio = error / tolerance;
  if (!(ratio <= worst_)) {
    worst_ = ratio;
    worst_name_ = what;
  }
  EXPECT_LE(error, tolerance) << name() << ": " << what;
}

void Trace::check(const std::string& name, const torch::Tensor& got, double looser) {
  const std::string dataset = "expect/" + name;
  const torch::Tensor expected = tensor(dataset).to(torch::kFloat64);
  ASSERT_EQ(got.sizes(), expected.sizes()) << dataset;
  const torch::Tensor difference = got.to(torch::kFloat64).cpu() - expected;
  const double tol_abs = std::max(looser, file_.float_attribute(dataset, "tol_abs"));
  const double tol_l2 = file_.float_attribute(dataset, "tol_l2");
  const double by_element = difference.abs().max().item<double>() / tol_abs;
  const double by_norm =
      difference.norm().item<double>() / (tol_l2 * expected.norm().item<double>() + 1e-300);
  note(dataset, std::min(by_element, by_norm), 1.0);
}

void Trace::check(const std::string& name, double got, double looser) {
  check(name, torch::tensor(got, torch::kFloat64).reshape(tensor("expect/" + name).sizes()),
        looser);
}

std::string Trace::report() const {
  return concat(name(), ": ", checked_, " numbers or tensors, worst at ", fixed(worst_, 4),
                " of its tolerance (", worst_name_, ")");
}

}  // namespace harmofl::test
