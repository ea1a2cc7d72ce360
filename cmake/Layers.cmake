# harmofl_add_layer(<name> [PUBLIC targets...] [PRIVATE targets...])
# makes library harmofl_<name>, alias harmofl::<name>, of src/<name>/*.cpp.
function(harmofl_add_layer name)
  cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  add_library(harmofl_${name} STATIC ${sources})
  add_library(harmofl::${name} ALIAS harmofl_${name})
  target_include_directories(harmofl_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(harmofl_${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} harmofl_settings)
endfunction()

# One precompiled torch/torch.h for all the layers that use libtorch (15 s a file without it).
function(harmofl_use_torch_pch first)
  target_precompile_headers(harmofl_${first} PRIVATE <torch/torch.h>)
  foreach(layer IN LISTS ARGN)
    target_precompile_headers(harmofl_${layer} REUSE_FROM harmofl_${first})
  endforeach()
endfunction()
