// SPDX-License-Identifier: Apache-2.0
/// Vectors of float32 of HARMOFL_VECTOR_BYTES, and the format of float32 values.
///
/// A format says how the values of images and tiles are stored and multiplied: a type Value,
///   Vector load(const Value*), void store(Value*, Vector)   `lanes` values from and to float32
///   Vector broadcast(const float* word)                      a word in all lanes
///   Vector multiply(Vector a, Vector b, Vector sum)          sum + a b, of vectors of words
#pragma once

#include "kernels/conv/winograd.hpp"

namespace harmofl::winograd {
namespace {

constexpr Index lanes = HARMOFL_VECTOR_BYTES / 4;
using Vector = float __attribute__((vector_size(HARMOFL_VECTOR_BYTES)));
using Unaligned = float __attribute__((vector_size(HARMOFL_VECTOR_BYTES), aligned(4)));

struct Float32 {
  using Value = float;
  static Vector load(const Value* from) { return *reinterpret_cast<const Unaligned*>(from); }
  static void store(Value* to, Vector value) { *reinterpret_cast<Unaligned*>(to) = value; }
  static Vector broadcast(const float* word) { return *word - Vector{}; }
  static Vector multiply(Vector a, Vector b, Vector sum) { return sum + a * b; }
};

inline Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Unaligned*>(to) = value; }

}  // namespace
}  // namespace harmofl::winograd
