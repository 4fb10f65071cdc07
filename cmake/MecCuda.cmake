# MEC_CUDA (AUTO, ON, OFF): the GPU backend. Result: MEC_HAVE_CUDA, MEC_HAVE_NCCL and
# MEC_CUDA_INCLUDE_DIRS. The large libraries (CUDA_cublasLt_LIBRARY, CUDA_cusolver_LIBRARY,
# MecCudnn_LIBRARY, MEC_NCCL_LIBRARY) are not linked: tensor/backends/cuda/runtime/library.h opens
# them.
set(MEC_CUDA AUTO CACHE STRING "Build the CUDA backend: AUTO, ON (must be there) or OFF")
set_property(CACHE MEC_CUDA PROPERTY STRINGS AUTO ON OFF)
option(MEC_CUDA_WERROR "Warnings of the CUDA compiler, register spills among them, are errors" ${PROJECT_IS_TOP_LEVEL})
set(MEC_HAVE_CUDA OFF)
set(cost "no GPU backend")

# Sets `why`: the reason why the backend cannot be built, empty when it can.
macro(mec_look_for_cuda)
  set(why "")
  include(CheckLanguage)
  check_language(CUDA)
  find_package(CUDAToolkit 12.4 QUIET)
  find_package(MecCudnn QUIET)
  if(NOT CMAKE_CUDA_COMPILER)
    set(why "no CUDA compiler (nvcc)")
  elseif(NOT CUDAToolkit_FOUND)
    set(why "no CUDA toolkit of version 12.4 or newer")
  elseif(NOT MecCudnn_FOUND)
    set(why "no cuDNN (cudnn.h, libcudnn; -DCMAKE_PREFIX_PATH or CUDNN_PATH say where)")
  elseif(MecCudnn_VERSION VERSION_LESS 9.8)
    set(why "cuDNN ${MecCudnn_VERSION} is older than 9.8")
  endif()
endmacro()

# Sets MEC_HAVE_NCCL, and MEC_NCCL_LIBRARY where the library was found.
macro(mec_look_for_nccl)
  find_path(MEC_NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(MEC_NCCL_LIBRARY NAMES nccl libnccl.so.2 HINTS ${CUDAToolkit_LIBRARY_DIR})
  mark_as_advanced(MEC_NCCL_INCLUDE_DIR MEC_NCCL_LIBRARY)
  if(MEC_NCCL_INCLUDE_DIR)
    set(MEC_HAVE_NCCL ON)
    list(APPEND MEC_CUDA_INCLUDE_DIRS "${MEC_NCCL_INCLUDE_DIR}")
    list(APPEND MEC_SUMMARY "nccl|found|")
  else()
    set(MEC_HAVE_NCCL OFF)
    list(APPEND MEC_SUMMARY "nccl|missing|several processes with GPUs exchange tensors by way of the host")
  endif()
endmacro()

# The default is one architecture, since each takes as long to compile as all the rest of the
# library: this machine's, or the oldest that is supported, whose PTX every newer GPU takes. The
# preset `cuda` names several.
function(mec_default_cuda_architecture result)
  execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
    OUTPUT_VARIABLE capability ERROR_QUIET RESULT_VARIABLE status)
  set(${result} 80 PARENT_SCOPE)
  if(status EQUAL 0 AND capability MATCHES "^([0-9]+)\\.([0-9])" AND CMAKE_MATCH_1 GREATER_EQUAL 8)
    set(${result} "${CMAKE_MATCH_1}${CMAKE_MATCH_2}-real" PARENT_SCOPE)
  endif()
endfunction()

if(NOT MEC_CUDA)
  list(APPEND MEC_SUMMARY "cuda|off|${cost}")
elseif(CMAKE_CROSSCOMPILING AND MEC_CUDA STREQUAL "AUTO")
  list(APPEND MEC_SUMMARY "cuda|off|${cost}: cross-compiling, and this machine's libraries are for its own processor")
else()
  mec_look_for_cuda()
  if(why AND MEC_CUDA STREQUAL "AUTO")
    list(APPEND MEC_SUMMARY "cuda|missing|${cost}: ${why}")
  elseif(why)
    message(FATAL_ERROR "MEC_CUDA is ON, but there is ${why}")
  else()
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      mec_default_cuda_architecture(CMAKE_CUDA_ARCHITECTURES)
    endif()
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc speaks C++20
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    set(MEC_HAVE_CUDA ON)
    set(MEC_CUDA_INCLUDE_DIRS ${CUDAToolkit_INCLUDE_DIRS} "${MecCudnn_INCLUDE_DIR}")
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    # Kernels use constexpr functions of the standard library.
    target_compile_options(mec_options INTERFACE
      "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-lineinfo;-Xcompiler=-Wall,-Wextra>"
      "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${MEC_CUDA_WERROR}>>:-Werror=all-warnings;-Xptxas=--warn-on-spills,--warning-as-error>")
    list(JOIN CMAKE_CUDA_ARCHITECTURES ", " architectures)
    list(APPEND MEC_SUMMARY "cuda|${CUDAToolkit_VERSION}|for ${architectures}")
    list(APPEND MEC_SUMMARY "cudnn|${MecCudnn_VERSION}|")
    mec_look_for_nccl()
    if(MEC_CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
      set(CMAKE_CUDA_COMPILER_LAUNCHER "${MEC_CCACHE}")
    endif()
  endif()
endif()
