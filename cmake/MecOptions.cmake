# Options, compiler flags, and the target `mec_options` that every room, test and example compiles
# with.

option(MEC_WERROR "Warnings are errors" OFF)
option(MEC_NATIVE "Build for this machine's processor only (-march=native)" OFF)
set(MEC_SANITIZE OFF CACHE STRING "Sanitizers: OFF, address (with undefined behaviour) or thread")
set_property(CACHE MEC_SANITIZE PROPERTY STRINGS OFF address thread)
option(MEC_FUZZ "Build the program mec_fuzz (tests/fuzz); needs clang, and takes MEC_SANITIZE=address" OFF)
option(MEC_STATIC "The program alone, linked statically: one file for any Linux" OFF)
set(more ${PROJECT_IS_TOP_LEVEL})
if(MEC_STATIC)
  set(more OFF)
endif()
option(MEC_TESTS "Build the tests" ${more})
option(MEC_EXAMPLES "Build the examples" ${more})
option(MEC_BENCH "Build the benchmarks" ${more})

if(MEC_STATIC)
  if(MEC_TESTS OR MEC_EXAMPLES OR MEC_BENCH OR MEC_SANITIZE)
    message(FATAL_ERROR "MEC_STATIC=ON builds the program alone: leave MEC_TESTS, MEC_EXAMPLES, MEC_BENCH and MEC_SANITIZE off.")
  endif()
  foreach(opened IN ITEMS MPI ONNX CUDA)  # at run time, which a static program cannot do
    set(MEC_${opened} OFF)
  endforeach()
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  # Addresses differ from run to run, as in any other program.
  string(APPEND CMAKE_EXE_LINKER_FLAGS " -static-pie -s")
endif()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Recompiling after a change of branch, or for another preset, costs next to nothing with ccache.
find_program(MEC_CCACHE ccache)
mark_as_advanced(MEC_CCACHE)
if(MEC_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${MEC_CCACHE}")
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)  # by default ccache does not cache files that use them
endif()

# Precompiled once for each room instead of parsed for each file: saves a fifth of the time to
# compile everything. A file must still include what it uses: the preset `dev` precompiles nothing,
# so there it would not compile otherwise.
set(MEC_STANDARD_HEADERS <algorithm> <cmath> <filesystem> <fstream> <functional> <map> <memory> <optional> <span>
  <sstream> <string> <utility> <vector>)

# These go into CMAKE_CXX_FLAGS, not into the target, because they must come first on the command
# line: mec_isa_sources() overrides both for its files.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set(MEC_X86 ON)
endif()
if(MEC_NATIVE)
  string(APPEND CMAKE_CXX_FLAGS " -march=native")
elseif(MEC_X86)
  string(APPEND CMAKE_CXX_FLAGS " -march=x86-64-v2")
endif()
# The compiler must not fuse multiplications and additions: the same source then gives the same bits
# on every processor.
string(APPEND CMAKE_CXX_FLAGS " -ffp-contract=off")

# Includes read "mec/tensor/ops.h", here and from an installed copy: include/mec has a link to each
# room.
set(MEC_INCLUDE_DIR "${PROJECT_SOURCE_DIR}/include")
if(NOT EXISTS "${MEC_INCLUDE_DIR}/mec/tensor/tensor.h")
  message(FATAL_ERROR "include/mec/tensor must be a link to tensor/. Where this tree comes from, links were lost: "
    "clone again (on Windows with core.symlinks=true), or unpack with a program that keeps links.")
endif()

add_library(mec_options INTERFACE)
target_include_directories(mec_options INTERFACE "${MEC_INCLUDE_DIR}")
target_compile_options(mec_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;$<$<BOOL:${MEC_WERROR}>:-Werror>>")

# The instrumentation slows everything down, so it belongs in a build of its own: the presets asan,
# tsan and fuzz.
set(instrumentation "")
if(MEC_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "MEC_FUZZ=ON needs clang, whose libFuzzer it links, but the compiler is "
      "${CMAKE_CXX_COMPILER_ID}; say -DCMAKE_CXX_COMPILER=clang++, or use the preset fuzz.")
  endif()
  set(MEC_SANITIZE address)
  list(APPEND instrumentation -fsanitize=fuzzer-no-link)
endif()
if(MEC_SANITIZE STREQUAL "address")
  list(APPEND instrumentation -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(MEC_SANITIZE STREQUAL "thread")
  list(APPEND instrumentation -fsanitize=thread)
elseif(MEC_SANITIZE)
  message(FATAL_ERROR "MEC_SANITIZE is OFF, address or thread, but it is '${MEC_SANITIZE}'.")
endif()
if(MEC_SANITIZE)
  target_compile_options(mec_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${instrumentation};-fno-omit-frame-pointer>")
  target_link_options(mec_options INTERFACE ${instrumentation})
endif()
