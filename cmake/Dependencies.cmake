# SPDX-License-Identifier: Apache-2.0
# Every third-party library as an imported target. tools/install-deps.sh installs them all.
if(DEFINED ENV{HARMOFL_DEPS})
  set(default_deps $ENV{HARMOFL_DEPS})
else()
  set(default_deps ${CMAKE_SOURCE_DIR}/.deps)
endif()
set(HARMOFL_DEPS ${default_deps} CACHE PATH "Where tools/install-deps.sh put libtorch")

find_package(Threads REQUIRED)
set(MPI_CXX_SKIP_MPICXX TRUE)  # the C++ bindings that MPI 3 removed
find_package(MPI REQUIRED COMPONENTS CXX)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
find_package(PNG REQUIRED)
find_package(TIFF 4.5 REQUIRED)  # its limits of memory
find_package(JPEG REQUIRED)
find_package(pugixml REQUIRED)
find_package(ZLIB REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 1.10 REQUIRED COMPONENTS C)
if(NOT TARGET hdf5::hdf5)
  add_library(hdf5::hdf5 INTERFACE IMPORTED)
  set_target_properties(hdf5::hdf5 PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${HDF5_C_INCLUDE_DIRS}"
    INTERFACE_LINK_LIBRARIES "${HDF5_C_LIBRARIES}")
endif()

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
add_library(xxhash::xxhash INTERFACE IMPORTED)  # used header-only
set_target_properties(xxhash::xxhash PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${XXHASH_INCLUDE_DIR}")

if(NOT HARMOFL_FUZZ)  # what is fuzzed needs no libtorch
  include(Torch)
endif()
