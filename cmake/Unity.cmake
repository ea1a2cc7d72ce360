# SPDX-License-Identifier: Apache-2.0
# harmofl_compile_in_batches(<target>): with HARMOFL_UNITY eight sources are one translation unit.
# Most of what a source costs is libtorch's headers (2.6 CPU seconds even from the precompiled
# header), which a batch pays once. Two names in two sources of a layer must then differ, also inside
# unnamed namespaces. Sources with compile options of their own stay alone (CMake sees to it).
function(harmofl_compile_in_batches target)
  if(HARMOFL_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()
