# A GPU made of software: CUDA's runtime and libraries stood in for, under the real host code. What
# tests/gpu/ runs on a device runs here in every test run; `mec_on_software_gpu` is the whole
# program.
#
# Objects come before the rooms' libraries, so the linker takes the emulated kernels, and this
# runtime, instead of those for a device.
set(stand_ins "${CMAKE_CURRENT_BINARY_DIR}/software_gpu")
get_property(host_sources GLOBAL PROPERTY MEC_CUDA_HOST_SOURCES)
set_source_files_properties(${host_sources} PROPERTIES LANGUAGE CXX)
set(libraries "${PROJECT_SOURCE_DIR}/tensor/backends/cuda/runtime/library.cpp")
set_source_files_properties("${libraries}" PROPERTIES COMPILE_DEFINITIONS
  "MEC_LIBRARY_FOLDER=\"${stand_ins}/\";MEC_CUBLASLT_FILE=\"\";MEC_CUSOLVER_FILE=\"\";MEC_CUDNN_FILE=\"\";MEC_NCCL_FILE=\"\"")
add_library(mec_software_gpu OBJECT ${host_sources} "${libraries}"
  software_gpu/launches.cpp software_gpu/memory.cpp software_gpu/runtime.cpp software_gpu/streams.cpp)
target_include_directories(mec_software_gpu PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
target_include_directories(mec_software_gpu SYSTEM PUBLIC ${MEC_CUDA_INCLUDE_DIRS})
target_link_libraries(mec_software_gpu PRIVATE mec_options mec::tensor)

# NVIDIA's libraries under their own names, in a folder that tensor/backends/cuda/runtime/library.h
# is told of; they find the runtime in the program. Without a soname: the real cuDNN asks for the
# real cuBLASLt by that.
function(mec_stand_in library header macro)
  find_file(MEC_HEADER_${library} "${header}" PATHS ${MEC_CUDA_INCLUDE_DIRS} NO_DEFAULT_PATH REQUIRED)
  mark_as_advanced(MEC_HEADER_${library})
  file(STRINGS "${MEC_HEADER_${library}}" version REGEX "define ${macro} ")
  string(REGEX MATCH "[0-9]+" version "${version}")
  add_library(software_${library} MODULE ${ARGN})
  set_target_properties(software_${library} PROPERTIES PREFIX "lib" OUTPUT_NAME "${library}" SUFFIX ".so.${version}"
    LIBRARY_OUTPUT_DIRECTORY "${stand_ins}" NO_SONAME ON)
  target_include_directories(software_${library} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_include_directories(software_${library} SYSTEM PRIVATE ${MEC_CUDA_INCLUDE_DIRS})
  target_link_libraries(software_${library} PRIVATE mec_options)
  target_include_directories(software_${library} PRIVATE "${MEC_INCLUDE_DIR}")
endfunction()
mec_stand_in(cublasLt cublas_api.h CUBLAS_VER_MAJOR software_gpu/cublaslt.cpp)
mec_stand_in(cusolver cusolver_common.h CUSOLVER_VER_MAJOR software_gpu/cusolver.cpp)
mec_stand_in(cudnn cudnn_version.h CUDNN_MAJOR software_gpu/cudnn.cpp software_gpu/convolution.cpp)
target_compile_definitions(software_cudnn PRIVATE "MEC_REAL_CUDNN_FILE=\"${MecCudnn_LIBRARY}\""
  "MEC_DEVICE_JSON=\"${CMAKE_CURRENT_SOURCE_DIR}/golden/cuda/h100.json\"")

if(MEC_HAVE_NCCL)
  mec_stand_in(nccl nccl.h NCCL_MAJOR software_gpu/nccl.cpp)
endif()

function(mec_on_software program)
  target_link_libraries(${program} PRIVATE mec_software_gpu mec_emulated_kernels mec::cli)
  set_target_properties(${program} PROPERTIES ENABLE_EXPORTS ON)
  target_sources(${program} PRIVATE cudnn/leaks.cpp)
  add_dependencies(${program} software_cublasLt software_cusolver software_cudnn)
  if(MEC_HAVE_NCCL)
    add_dependencies(${program} software_nccl)
  endif()
endfunction()

add_executable(mec_on_software_gpu "${PROJECT_SOURCE_DIR}/cli/main.cpp")
target_link_libraries(mec_on_software_gpu PRIVATE mec_options)
mec_on_software(mec_on_software_gpu)

# The rules of a communicator between GPUs: tests/dist/ launches it.
if(MEC_HAVE_NCCL)
  add_executable(test_distributed_on_software_gpu distributed/communicators.cpp)
  target_link_libraries(test_distributed_on_software_gpu PRIVATE mec_test_support)
  mec_on_software(test_distributed_on_software_gpu)
endif()

add_executable(count_gpu_step software_gpu/count_step.cpp)
target_include_directories(count_gpu_step PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
target_link_libraries(count_gpu_step PRIVATE mec_options)
mec_on_software(count_gpu_step)

add_executable(test_software_gpu software_gpu/pretrain.cpp software_gpu/refusals.cpp software_gpu/rounding.cpp software_gpu/rules.cpp
  software_gpu/seeds.cpp software_gpu/transfers.cpp)
set_source_files_properties(software_gpu/pretrain.cpp PROPERTIES COMPILE_DEFINITIONS
  "MEC_ON_SOFTWARE_GPU=\"$<TARGET_FILE:mec_on_software_gpu>\"")
target_compile_options(test_software_gpu PRIVATE ${once})
target_link_libraries(test_software_gpu PRIVATE mec_gpu_tests mec_test_support)
mec_on_software(test_software_gpu)
add_dependencies(test_software_gpu mec_on_software_gpu)
mec_discover_tests(test_software_gpu software_gpu)
