// The kernels with vectors of 32 bytes; compiled for x86-64-v3.
#if defined(__x86_64__)
#define HARMOFL_VECTOR_BYTES 32
#include "winograd_kernels.hpp"

namespace harmofl::winograd {

const Kernels avx2_kernels = {
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
