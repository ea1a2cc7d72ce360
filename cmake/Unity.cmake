# SPDX-License-Identifier: Apache-2.0
# harmofl_compile_in_batches(<target> [<sources>]): with HARMOFL_UNITY so many sources (eight, unless
# said) are one translation unit. Most of what a source costs is libtorch's headers, 2.6 CPU seconds
# even from the precompiled header and up to 5 for what they leave to be instantiated at the end of a
# unit, which a batch pays once. Two names in two sources of a batch must then differ, also inside
# unnamed namespaces. Sources with compile options of their own stay alone (CMake sees to it).
function(harmofl_compile_in_batches target)
  if(HARMOFL_UNITY)
    set(size 8)
    if(ARGC GREATER 1)
      set(size ${ARGV1})
    endif()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${size})
  endif()
endfunction()
