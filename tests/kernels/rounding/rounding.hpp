// SPDX-License-Identifier: Apache-2.0
/// How far a kernel's float32 or bfloat16 results are from float64, beside libtorch's.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace harmofl::test {

using Tensors = std::vector<torch::Tensor>;
using Function = std::function<Tensors(const Tensors&)>;

/// Draws sizes and tensors, always the same for one seed.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : engine_(seed) {}

  /// Uniform from [least, most].
  std::int64_t integer(std::int64_t least, std::int64_t most);
  bool coin() { return integer(0, 1) == 1; }
  /// Standard normal numbers, float32.
  torch::Tensor normal(torch::IntArrayRef shape);
  /// Normal numbers with a mean of their own, channels-last; of half the draws like the output of a
  /// ReLU.
  torch::Tensor images(torch::IntArrayRef shape);

 private:
  std::mt19937_64 engine_;
};

/// One set of inputs, and the gradient of each output that goes back. Both are float32 numbers that
/// the subject's type has.
struct Problem {
  Tensors inputs, gradients;
};

/// A kernel, and the same by libtorch's operations.
struct Subject {
  std::string name;
  torch::ScalarType type;  ///< Of the first input; the others are parameters, float32.
  /// How much more a rounding error of the method's sums grows than one of the plain sums, as the
  /// root of the mean square; 1 for the same sums in another order.
  double growth;
  /// The same for the element that it grows most for.
  double largest_growth;
  std::vector<std::string> results;  ///< Names of outputs, then of the gradients of the inputs.
  std::function<Problem(Draw&)> draw;
  Function own;
  Function plain;  ///< In the type of its first input, which is float64 for the reference.
};

/// The distance to float64 of each case, of one kind of result.
struct Errors {
  std::vector<double> own, plain;
};

/// Of every result of a subject.
struct Measured {
  std::vector<Errors> by_norm;     ///< |x - r| / |r|, 2-norms.
  std::vector<Errors> by_element;  ///< max |x - r| / max |r|.
  int without_yardstick = 0;       ///< Results left out because libtorch's own is not finite.
};

/// Draws `cases` problems from `seed` on and solves each in three ways. Expects own results to be
/// finite. libtorch's are not always: 2.11 gave a NaN for a bfloat16 transposed convolution on one
/// machine, once; the same seed gives none elsewhere.
Measured measure(const Subject& subject, std::uint64_t seed, int cases);

double median(std::vector<double> values);
double largest(const std::vector<double>& values);

/// All kernels that round otherwise than libtorch's operations.
std::vector<Subject> subjects();

}  // namespace harmofl::test
