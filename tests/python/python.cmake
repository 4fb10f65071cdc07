# The package in python/, over the library of this build, and out of a wheel. Skipped where the
# interpreter has no NumPy; the part with PyTorch where it has no PyTorch. (Not with sanitizers:
# their runtime has to come before Python.)
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND AND NOT MEC_SANITIZE)
  set(script "${CMAKE_CURRENT_SOURCE_DIR}/python/interface.py")
  add_test(NAME python/interface COMMAND Python3::Interpreter "${script}" $<TARGET_FILE:mec_cli>)
  set_tests_properties(python/interface PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT
    "LD_LIBRARY_PATH=$<TARGET_FILE_DIR:mec_c>;PYTHONPATH=${PROJECT_SOURCE_DIR}/python;PYTHONDONTWRITEBYTECODE=1")
  add_test(NAME python/wheel COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/python/wheel.py"
    "${PROJECT_BINARY_DIR}" "${script}" $<TARGET_FILE:mec_cli>)
  set_tests_properties(python/wheel PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
  # Encoders that go to other libraries and come from them, and networks with a classifier. The
  # first needs ONNX Runtime, the second torchvision, the last PyTorch.
  add_test(NAME python/exchange COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/python/exchange.py"
    $<TARGET_FILE:mec_cli>)
  add_test(NAME python/classifier COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/python/classifier.py"
    $<TARGET_FILE:mec_cli>)
  add_test(NAME python/detectron2_names COMMAND Python3::Interpreter
    "${CMAKE_CURRENT_SOURCE_DIR}/python/detectron2_names.py" $<TARGET_FILE:mec_cli>)
  add_test(NAME python/pth_script COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/python/pth_script.py")
  set_tests_properties(python/exchange python/classifier python/detectron2_names python/pth_script PROPERTIES SKIP_RETURN_CODE 77
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
  add_test(NAME "python/exchange (slow)" COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/python/exchange.py"
    $<TARGET_FILE:mec_cli> --all)
  set_tests_properties("python/exchange (slow)" PROPERTIES LABELS slow SKIP_RETURN_CODE 77
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
endif()
