# libtorch as imported targets: harmofl::torch (CPU) and, with HARMOFL_CUDA, harmofl::torch_cuda,
# harmofl::cuda and harmofl::nccl. The wheel's own TorchConfig asks for a whole CUDA toolkit even
# for CPU programs, so it is not used.
find_path(HARMOFL_TORCH_ROOT NAMES include/torch/csrc/api/include/torch/torch.h
  HINTS ${HARMOFL_DEPS}/libtorch/torch ENV LIBTORCH NO_DEFAULT_PATH
  DOC "Folder with lib/ and include/ of libtorch (for a wheel: site-packages/torch)")
if(NOT HARMOFL_TORCH_ROOT)
  message(FATAL_ERROR "libtorch was not found under ${HARMOFL_DEPS}/libtorch/torch. Run "
    "tools/install-deps.sh, or give your own: -DHARMOFL_TORCH_ROOT=<folder with lib/ and include/>.")
endif()

function(harmofl_import_torch_library target name)
  find_library(lib_${name} ${name} HINTS ${HARMOFL_TORCH_ROOT}/lib NO_DEFAULT_PATH REQUIRED)
  add_library(${target} SHARED IMPORTED)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${lib_${name}})
endfunction()

harmofl_import_torch_library(harmofl::c10 c10)
harmofl_import_torch_library(harmofl::torch_cpu torch_cpu)
add_library(harmofl::torch INTERFACE IMPORTED)
set_target_properties(harmofl::torch PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES
    "${HARMOFL_TORCH_ROOT}/include;${HARMOFL_TORCH_ROOT}/include/torch/csrc/api/include"
  INTERFACE_LINK_LIBRARIES "harmofl::torch_cpu;harmofl::c10;Threads::Threads")
