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
# Not torch/torch.h: what it defines inline costs every file 6 s more, precompiled or not.
# Their batches are larger, but for those of `kernels`: the longest unit of all should not get longer.
function(harmofl_use_torch_pch first)
  target_precompile_headers(harmofl_${first} PRIVATE <torch/types.h> <nlohmann/json.hpp>)
  foreach(layer IN LISTS ARGN)
    target_precompile_headers(harmofl_${layer} REUSE_FROM harmofl_${first})
  endforeach()
  foreach(layer IN LISTS first ARGN)
    if(NOT layer STREQUAL "kernels")
      harmofl_compile_in_batches(harmofl_${layer} 16)
    endif()
  endforeach()
endfunction()

# The same header for a program (a test, a benchmark), which must then be compiled as a library is:
# with -fPIC, where CMake would say -fPIE.
function(harmofl_use_torch_pch_in_program name)
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  target_precompile_headers(${name} REUSE_FROM harmofl_data)
endfunction()
