# Imported targets for the native libraries inside PyPI wheels:
#   wheel::torch     libtorch, libtorch_cpu, libc10 and, in CUDA builds, libtorch_cuda and libc10_cuda
#   wheel::fmt       headers of the fmt that torch carries, compiled in demix/core/fmt.cc; one fmt for the whole program, since two
#                    versions in one include path do not mix
#   wheel::arrow     Arrow and Parquet of pyarrow
#   wheel::lightgbm  lib_lightgbm.so (its C functions are declared in demix/search/lightgbm.cc)
# Libraries are linked by path. find_package(Torch) is not used: for a CUDA build it demands a CUDA
# toolkit, which users of the wheel need not have.

execute_process(
  COMMAND ${DEMIX_PYTHON} -c "import sysconfig; print(sysconfig.get_paths()['purelib'])"
  OUTPUT_VARIABLE SITE_PACKAGES OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${DEMIX_PYTHON} does not run. 'make setup' creates it; "
                      "-DDEMIX_PYTHON=... names another.")
endif()

# Adds imported target NAME for the libraries FILES in DIRECTORY with headers in INCLUDES.
function(add_wheel name)
  cmake_parse_arguments(wheel "" "DIRECTORY" "FILES;OPTIONAL_FILES;INCLUDES" ${ARGN})
  add_library(wheel::${name} INTERFACE IMPORTED GLOBAL)
  foreach(file IN LISTS wheel_FILES)
    if(NOT EXISTS ${wheel_DIRECTORY}/${file})
      message(FATAL_ERROR "${wheel_DIRECTORY}/${file} is missing; run 'make setup'")
    endif()
  endforeach()
  foreach(file IN LISTS wheel_FILES wheel_OPTIONAL_FILES)
    if(EXISTS ${wheel_DIRECTORY}/${file})
      target_link_libraries(wheel::${name} INTERFACE ${wheel_DIRECTORY}/${file})
    endif()
  endforeach()
  target_link_options(wheel::${name} INTERFACE "LINKER:-rpath,${wheel_DIRECTORY}")
  target_include_directories(wheel::${name} SYSTEM INTERFACE ${wheel_INCLUDES})
endfunction()

add_wheel(torch DIRECTORY ${SITE_PACKAGES}/torch/lib
  FILES libtorch.so libtorch_cpu.so libc10.so
  INCLUDES ${SITE_PACKAGES}/torch/include ${SITE_PACKAGES}/torch/include/torch/csrc/api/include)
if(EXISTS ${SITE_PACKAGES}/torch/lib/libtorch_cuda.so)
  # Nothing of ours names a CUDA symbol, so the linker would drop these two and with them the device.
  # Their own libraries are found through their RPATH, in the nvidia-* wheels beside torch.
  target_link_options(wheel::torch INTERFACE "LINKER:--push-state,--no-as-needed"
    ${SITE_PACKAGES}/torch/lib/libtorch_cuda.so ${SITE_PACKAGES}/torch/lib/libc10_cuda.so
    "LINKER:--pop-state" "LINKER:--allow-shlib-undefined")
endif()

file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fmt_of_torch)
file(CREATE_LINK ${SITE_PACKAGES}/torch/include/fmt ${CMAKE_BINARY_DIR}/fmt_of_torch/fmt SYMBOLIC)
add_library(wheel::fmt INTERFACE IMPORTED GLOBAL)
target_include_directories(wheel::fmt SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/fmt_of_torch)

add_wheel(arrow DIRECTORY ${SITE_PACKAGES}/pyarrow
  FILES libarrow.so.2600 libparquet.so.2600 INCLUDES ${SITE_PACKAGES}/pyarrow/include)
add_wheel(lightgbm DIRECTORY ${SITE_PACKAGES}/lightgbm/lib FILES lib_lightgbm.so)
