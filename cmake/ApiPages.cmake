# SPDX-License-Identifier: Apache-2.0
# Target `docs`: the API pages by Doxygen, in <build>/docs/html. A warning is an error.
find_package(Doxygen QUIET)
if(DOXYGEN_FOUND)
  configure_file(${CMAKE_CURRENT_SOURCE_DIR}/docs/Doxyfile.in ${CMAKE_BINARY_DIR}/Doxyfile @ONLY)
  add_custom_target(docs COMMAND Doxygen::doxygen ${CMAKE_BINARY_DIR}/Doxyfile VERBATIM)
else()
  add_custom_target(docs
    COMMAND ${CMAKE_COMMAND} -E echo "error: Doxygen is missing; tools/install-deps.sh --docs installs it"
    COMMAND ${CMAKE_COMMAND} -E false VERBATIM)
endif()
