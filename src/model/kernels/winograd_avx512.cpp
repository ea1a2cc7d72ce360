// The kernels with vectors of 64 bytes; compiled for x86-64-v4.
#if defined(__x86_64__)
#define HARMOFL_VECTOR_BYTES 64
#include "winograd_kernels.hpp"

namespace harmofl::winograd {

const Kernels avx512_kernels = {
    .weight = transform_weight,
    .turned_weight = transform_turned_weight,
    .weight_gradient = transform_weight_gradient,
    .input = transform_input,
    .output = transform_output,
    .gradient = transform_gradient,
    .multiply = multiply,
    .panel = panel_columns,
};

}  // namespace harmofl::winograd
#endif
