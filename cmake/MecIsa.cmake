# mec_isa_sources(<target> <file>...)
#
# Compiles each file once for each instruction set, into <target>, so that one binary runs on every
# node and the program picks at run time. MEC_ISA is then a bare word, `baseline`, `avx2` or
# `avx512`, for a namespace:
#
#     namespace mec::cpu::MEC_ISA { void add(...) { ... } }
#
# <target> gets MEC_ISA_AVX2=1 and MEC_ISA_AVX512=1 where those variants exist. With MEC_NATIVE, and
# on other processors, there is only `baseline`.
#
# One trap: such a file may instantiate an inline function outside the MEC_ISA namespace (one of
# std::vector, say). The linker may keep this copy, compiled for AVX-512, for the whole program.
# Keep these files to plain loops over pointers; the test `isa_symbols` fails when one leaks.
set(MEC_ISA_FLAGS_baseline "")  # only the flags of all files: see MecOptions.cmake
set(MEC_ISA_FLAGS_avx2 -march=x86-64-v3)
set(MEC_ISA_FLAGS_avx512 -march=x86-64-v4)
set(MEC_ISAS baseline)
if(MEC_X86 AND NOT MEC_NATIVE)
  list(APPEND MEC_ISAS avx2 avx512)
endif()

function(mec_isa_sources target)
  foreach(isa IN LISTS MEC_ISAS)
    set(objects ${target}_${isa})
    add_library(${objects} OBJECT ${ARGN})
    # Not -ffast-math: sums keep their order and NaN survives. Fused multiply-add is welcome here,
    # and only here.
    target_compile_options(${objects} PRIVATE ${MEC_ISA_FLAGS_${isa}} -ffp-contract=fast -fno-math-errno
      -fno-trapping-math $<$<NOT:$<CONFIG:Debug>>:-O3>)
    target_compile_definitions(${objects} PRIVATE MEC_ISA=${isa})
    target_link_libraries(${objects} PRIVATE mec_options ${MEC_TARGET_openmp})
    set_target_properties(${objects} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
    if(NOT isa STREQUAL "baseline")
      string(TOUPPER ${isa} upper)
      target_compile_definitions(${target} PRIVATE MEC_ISA_${upper}=1)
      set_property(GLOBAL APPEND PROPERTY MEC_ISA_TARGETS ${objects})
    endif()
  endforeach()
endfunction()
