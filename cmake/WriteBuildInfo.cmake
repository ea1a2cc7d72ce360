# SPDX-License-Identifier: Apache-2.0
# Run by cmake -P: writes OUTPUT_DIR/harmofl_build_info.hpp when its content changed.
execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --dirty --exclude=*
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit "unknown")
endif()
if(CUDA)
  set(has_cuda true)
else()
  set(has_cuda false)
endif()
set(content "#define HARMOFL_VERSION \"${VERSION}\"
#define HARMOFL_GIT_COMMIT \"${commit}\"
#define HARMOFL_BUILD_TYPE \"${BUILD_TYPE}\"
#define HARMOFL_COMPILER \"${COMPILER}\"
#define HARMOFL_HAS_CUDA ${has_cuda}
")
set(file ${OUTPUT_DIR}/harmofl_build_info.hpp)
if(EXISTS ${file})
  file(READ ${file} present)
endif()
if(NOT content STREQUAL "${present}")
  file(WRITE ${file} "${content}")
endif()
