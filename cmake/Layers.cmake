# SPDX-License-Identifier: Apache-2.0
# harmofl_add_layer(<name> [PUBLIC targets...] [PRIVATE targets...])
# makes library harmofl_<name>, alias harmofl::<name>, of src/<name>/*.cpp.
function(harmofl_add_layer name)
  cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  add_library(harmofl_${name} STATIC ${sources})
  add_library(harmofl::${name} ALIAS harmofl_${name})
  harmofl_compile_in_batches(harmofl_${name})
  target_include_directories(harmofl_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include
                                                     ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(harmofl_${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} harmofl_settings)
endfunction()

# One precompiled header for all the layers that use libtorch: tensors and their functions, JSON.
# Not torch/torch.h: what it defines inline costs every file 6 s more, precompiled or not. Made before
# the layers, since Ninja begins with what comes first and half the build waits for it.
function(harmofl_make_torch_pch)
  set(source ${CMAKE_BINARY_DIR}/generated/torch_pch.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "// carries the precompiled header\n")
  add_library(harmofl_torch_pch OBJECT ${source})
  target_link_libraries(harmofl_torch_pch PRIVATE harmofl::torch nlohmann_json::nlohmann_json
                                                  harmofl_settings)
  target_precompile_headers(harmofl_torch_pch PRIVATE <torch/types.h> <nlohmann/json.hpp>)
endfunction()

# Uses it in layers. Their batches are larger, but for those of `kernels` and `app`: the longest unit should
# not get longer, nor the last, for which the other cores wait.
function(harmofl_use_torch_pch)
  foreach(layer IN LISTS ARGN)
    target_precompile_headers(harmofl_${layer} REUSE_FROM harmofl_torch_pch)
    if(NOT layer MATCHES "^(kernels|app)$")
      harmofl_compile_in_batches(harmofl_${layer} 16)
    endif()
  endforeach()
endfunction()

# The same header for a program (a test, a benchmark), which must then be compiled as a library is:
# with -fPIC, where CMake would say -fPIE.
function(harmofl_use_torch_pch_in_program name)
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  target_precompile_headers(${name} REUSE_FROM harmofl_torch_pch)
endfunction()
