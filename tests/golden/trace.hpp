// SPDX-License-Identifier: Apache-2.0
/// Golden traces: inputs and the numbers that an independent implementation got for them.
///
/// The folder is that of environment variable HARMOFL_TRACES, else ../shared/traces beside the
/// source tree, else the part of it that is kept in tests/fixtures/traces. Its README has the
/// layout. A dataset passes when max|got - expected| <= tol_abs or |got - expected|_2 <= tol_l2
/// |expected|_2.
#pragma once

#include "data/batches/batches.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/hdf5/hdf5.hpp"
#include "kernels/choice.hpp"

#include <torch/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace harmofl::test {

/// How far one pixel that changes class moves a Dice, about (the traces' README).
inline constexpr double dice_step = 5e-3;

/// The folder of the traces.
std::filesystem::path trace_folder();

/// One file of traces, and how far from it this program's numbers were.
class Trace {
 public:
  explicit Trace(const std::filesystem::path& path);

  std::string name() const { return path_.stem().string(); }
  bool has(const std::string& object) const { return file_.exists(object); }
  std::vector<std::string> children(const std::string& group) const {
    return file_.children(group);
  }

  bool has_attribute(const std::string& name) const { return file_.has_attribute("/", name); }
  std::string text(const std::string& attribute) const;
  std::int64_t integer(const std::string& attribute) const;
  std::vector<std::int64_t> integers(const std::string& attribute) const;
  double number(const std::string& attribute) const;
  std::vector<double> numbers(const std::string& attribute) const;
  std::vector<std::string> texts(const std::string& attribute) const;

  /// A dataset as it is stored, as uint8, int64, float32 or float64.
  torch::Tensor tensor(const std::string& dataset) const;
  /// `value = float32(stored) / divide_by`, float32.
  torch::Tensor images(const std::string& dataset) const;
  /// Labels as int64 [B] or [B, H, W].
  torch::Tensor targets(const std::string& dataset) const;
  /// Images and labels of batch `t` below `group` ("input" has x0, y0, x1, ...).
  Batch batch(const std::string& group, std::int64_t t) const;

  /// The tensors of `group`, by name, without `omitted`.
  std::vector<NamedTensor> state(const std::string& group, const std::string& omitted = "") const;

  /// Checks `got` against dataset `expect/<name>` by the pass rule; `looser` widens tol_abs.
  void check(const std::string& name, const torch::Tensor& got, double looser = 0.0);
  void check(const std::string& name, double got, double looser = 0.0);

  /// Notes a ratio error / tolerance of a test of its own.
  void note(const std::string& what, double error, double tolerance);

  /// "unet_w4_32: 72 numbers, worst 0.31 of its tolerance (expect/grad0/conv.weight)".
  std::string report() const;

 private:
  std::filesystem::path path_;
  hdf5::File file_;
  std::int64_t checked_ = 0;
  double worst_ = 0.0;
  std::string worst_name_;
};

/// How the program computes what is held against a trace.
struct Computation {
  Kernels kernels;
  bool channels_last;
  bool gpu_paths = false;  ///< In host memory, but by the paths that a GPU takes.
};

/// Tests of single parts: metrics, amplitude normalisation, networks, the perturbed step.
void check_metrics(Trace& trace, Computation by);
void check_amplitude(Trace& trace, Computation by);
void check_unet(Trace& trace, Computation by);
void check_densenet(Trace& trace, Computation by);
void check_perturbed_step(Trace& trace, Computation by);

/// Whole federated runs, on all ranks of the test.
void check_federated(Trace& trace, Computation by);

}  // namespace harmofl::test
