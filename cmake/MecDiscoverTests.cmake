# cmake -Dprogram=test_tensor [-Demulator=qemu-…;…] -Dtests_dir=<source>/tests [-Dfolder=NAME]
# -Dthreads=REGEX [-Dmpirun=PROGRAM] -Doutput=FILE -P MecDiscoverTests.cmake
#
# Asks a doctest executable for its test cases and writes FILE, which ctest includes: one test for
# each source file, its name under NAME where one is given, and with the label `threads` where it
# matches REGEX. Tests that launch mpirun have the label `dist`, and are skipped where it does not
# work.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${emulator} "${program}" --list-test-cases --reporters=xml OUTPUT_VARIABLE xml RESULT_VARIABLE status)
string(REPLACE ";" "," xml "${xml}")  # a semicolon in a name would cut CMake's list
string(REGEX MATCHALL "<TestCase [^\n]*" cases "${xml}")
if(NOT status EQUAL 0 OR NOT cases)
  message(FATAL_ERROR "${program} lists no test cases (exit status ${status}):\n${xml}")
endif()

foreach(case IN LISTS cases)
  if(NOT case MATCHES "filename=\"([^\"]+)\"")
    message(FATAL_ERROR "no file name in: ${case}")
  endif()
  set(file "${CMAKE_MATCH_1}")
  list(APPEND files "${file}")
  if(case MATCHES "testsuite=\"[^\"]*slow")
    list(APPEND slow_files "${file}")
  else()
    list(APPEND quick_files "${file}")
  endif()
endforeach()
list(REMOVE_DUPLICATES files)

set(text "")
set(command "")
foreach(word IN LISTS emulator program)
  string(APPEND command " [==[${word}]==]")
endforeach()
foreach(file IN LISTS files)
  string(REPLACE "${tests_dir}/" "" name "${file}")
  string(REGEX REPLACE "^(\\.\\./)+tests/" "" name "${name}")  # ccache's base_dir makes paths relative
  string(REGEX REPLACE "\\.(cpp|h)$" "" name "${name}")
  if(folder AND NOT name MATCHES "^${folder}/")
    string(PREPEND name "${folder}/")
  endif()
  set(label "")
  if(name MATCHES "${threads}")
    set(label threads)
  endif()
  set(guard "")
  set(processors 1)
  if(mpirun)
    set(label dist)
    set(processors 4)  # ranks that wait for each other keep a processor busy
    set(guard " [==[${tests_dir}/dist/with_mpirun.sh]==] [==[${mpirun}]==]")
  endif()
  foreach(speed quick slow)
    if(NOT file IN_LIST ${speed}_files)
      continue()
    endif()
    if(speed STREQUAL "slow")
      set(test "${name} (slow)")
      set(filter "--test-suite=*slow*")
      set(labels ${label} slow)
    else()
      set(test "${name}")
      set(filter "--test-suite-exclude=*slow*")
      set(labels ${label})
    endif()
    string(APPEND text "add_test([==[${test}]==]${guard}${command} [==[--source-file=${file}]==] ${filter})\n")
    # A filter that matches nothing makes doctest succeed; here it is a failure.
    string(APPEND text "set_tests_properties([==[${test}]==] PROPERTIES FAIL_REGULAR_EXPRESSION "
      "\"test cases: +0 [|]\" LABELS \"${labels}\" SKIP_RETURN_CODE 77 PROCESSORS ${processors})\n")
  endforeach()
endforeach()
file(WRITE "${output}" "${text}")
