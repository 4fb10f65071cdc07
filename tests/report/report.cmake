# Reports in a browser, and event files in TensorBoard's own reader: skipped where there is no
# Chromium, or the interpreter has no tensorboard. The program once more, as a build without
# dygraphs makes it: its page takes the place of the one in the library.
get_property(page GLOBAL PROPERTY MEC_PAGE)
set(plain_page "${CMAKE_CURRENT_BINARY_DIR}/page_without_dygraphs.cpp")
mec_embed("${plain_page}" mec::report::embedded "mec/eval/run_report/embedded.h" ${page}
  dygraph.min.js-NOTFOUND dygraph.min.css-NOTFOUND)
add_executable(mec_without_dygraphs "${PROJECT_SOURCE_DIR}/cli/main.cpp" "${plain_page}")
target_link_libraries(mec_without_dygraphs PRIVATE mec_options mec_commands)
if(Python3_FOUND)
  add_test(NAME report/browser COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/report/browser.py"
    $<TARGET_FILE:mec_cli> $<TARGET_FILE:mec_without_dygraphs>)
  add_test(NAME report/read_events COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/report/read_events.py"
    $<TARGET_FILE:mec_cli>)
  set_tests_properties(report/browser report/read_events PROPERTIES SKIP_RETURN_CODE 77
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
endif()
