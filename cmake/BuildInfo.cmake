# SPDX-License-Identifier: Apache-2.0
# Regenerates harmofl_build_info.hpp at every build; it changes only when its content does.
set(HARMOFL_BUILD_INFO_DIR ${CMAKE_BINARY_DIR}/generated)
add_custom_target(harmofl_build_info_header
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DOUTPUT_DIR=${HARMOFL_BUILD_INFO_DIR}
          -DVERSION=${PROJECT_VERSION} -DBUILD_TYPE=${CMAKE_BUILD_TYPE}
          "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
          -DCUDA=$<BOOL:${HARMOFL_CUDA}> -P ${CMAKE_CURRENT_LIST_DIR}/WriteBuildInfo.cmake
  BYPRODUCTS ${HARMOFL_BUILD_INFO_DIR}/harmofl_build_info.hpp
  VERBATIM)
add_library(harmofl_build_info INTERFACE)
target_include_directories(harmofl_build_info INTERFACE ${HARMOFL_BUILD_INFO_DIR})
add_dependencies(harmofl_build_info harmofl_build_info_header)
