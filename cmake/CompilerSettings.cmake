# SPDX-License-Identifier: Apache-2.0
# C++20 without extensions, warnings as the project wants them, ccache where it is.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

if(HARMOFL_CCACHE)
  find_program(CCACHE ccache)
  if(CCACHE)
    # Precompiled headers hold time stamps; without the first ccache would never hit. With paths taken
    # relative to the sources the presets and clones of one machine share what they compile alike.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${CCACHE})
  endif()
endif()

add_library(harmofl_settings INTERFACE)
set(shadow -Wshadow)
if(HARMOFL_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(shadow -Wshadow=local)  # a local name may be that of another source of the batch
endif()
target_compile_options(harmofl_settings INTERFACE -Wall -Wextra ${shadow} -Wnon-virtual-dtor
                                                  -Wno-unknown-pragmas)
if(HARMOFL_WERROR)
  target_compile_options(harmofl_settings INTERFACE -Werror)
  # g++ 12 takes a literal that is put into a std::string for one of half the address space
  # (its bug 105651): a warning, but not an error.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(harmofl_settings INTERFACE -Wno-error=restrict
                                                      -Wno-error=stringop-overflow)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND HARMOFL_CCACHE AND CCACHE)
  target_compile_options(harmofl_settings INTERFACE -fpch-preprocess)
endif()
if(HARMOFL_CHECKS)
  target_compile_definitions(harmofl_settings INTERFACE HARMOFL_CHECKS)
endif()
# What makes a defect end a program rather than be of use to a hostile file. Checked by reading the
# programs (tests/tools/hardening_test.py). Sanitizers have checks of their own.
if(NOT HARMOFL_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  target_compile_options(harmofl_settings INTERFACE -fstack-protector-strong -fstack-clash-protection
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>  # some compilers set it to less
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(harmofl_settings INTERFACE -fcf-protection=full)
  endif()
  target_link_options(harmofl_settings INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
    $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>)
endif()
if(HARMOFL_SANITIZE)
  # Undefined behaviour ends the program; by default it is printed and a test passes.
  target_compile_options(harmofl_settings INTERFACE -fsanitize=${HARMOFL_SANITIZE}
                                                    -fno-sanitize-recover=undefined
                                                    -fno-omit-frame-pointer)
  target_link_options(harmofl_settings INTERFACE -fsanitize=${HARMOFL_SANITIZE})
endif()
