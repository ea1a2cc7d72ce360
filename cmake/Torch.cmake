# SPDX-License-Identifier: Apache-2.0
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
# at::parallel_for is inline in its headers: compiled without OpenMP, it runs on one thread.
find_package(OpenMP REQUIRED COMPONENTS CXX)
add_library(harmofl::torch INTERFACE IMPORTED)
set_target_properties(harmofl::torch PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES
    "${HARMOFL_TORCH_ROOT}/include;${HARMOFL_TORCH_ROOT}/include/torch/csrc/api/include"
  # By its option and not as a file: the wheel's libgomp, not the compiler's, is found at run time.
  INTERFACE_COMPILE_OPTIONS "${OpenMP_CXX_FLAGS}"
  INTERFACE_LINK_OPTIONS "${OpenMP_CXX_FLAGS}"
  INTERFACE_LINK_LIBRARIES "harmofl::torch_cpu;harmofl::c10;Threads::Threads")

if(HARMOFL_CUDA)
  # The wheels of tools/install-deps.sh --cuda, else an installed toolkit and NCCL. The wheels name
  # their libraries with a version only.
  set(wheels ${HARMOFL_DEPS}/libtorch/nvidia)
  harmofl_import_torch_library(harmofl::c10_cuda c10_cuda)
  harmofl_import_torch_library(harmofl::libtorch_cuda torch_cuda)
  find_path(CUDART_INCLUDE_DIR cuda_runtime_api.h
    HINTS ${wheels}/cu13/include ENV CUDA_HOME PATHS /usr/local/cuda/include REQUIRED)
  find_library(CUDART_LIBRARY NAMES libcudart.so.13 cudart
    HINTS ${wheels}/cu13/lib ENV CUDA_HOME PATHS /usr/local/cuda/lib64 REQUIRED)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${wheels}/nccl/include ENV NCCL_HOME REQUIRED)
  find_library(NCCL_LIBRARY NAMES libnccl.so.2 nccl
    HINTS ${wheels}/nccl/lib ENV NCCL_HOME REQUIRED)

  add_library(harmofl::cuda SHARED IMPORTED)
  set_target_properties(harmofl::cuda PROPERTIES IMPORTED_LOCATION ${CUDART_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${CUDART_INCLUDE_DIR})
  add_library(harmofl::nccl SHARED IMPORTED)
  set_target_properties(harmofl::nccl PROPERTIES IMPORTED_LOCATION ${NCCL_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${NCCL_INCLUDE_DIR})
  # torch_cuda registers its kernels as it is loaded, though no symbol of it is used; its own
  # dependencies (cuDNN, cuFFT and more) need not be there to link.
  add_library(harmofl::torch_cuda INTERFACE IMPORTED)
  set_target_properties(harmofl::torch_cuda PROPERTIES
    INTERFACE_LINK_LIBRARIES "harmofl::c10_cuda;harmofl::libtorch_cuda;harmofl::cuda"
    INTERFACE_LINK_OPTIONS "LINKER:--no-as-needed;LINKER:--allow-shlib-undefined")
endif()
