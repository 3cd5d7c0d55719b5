# tools/nvcc_traps.py: the sources hold no trap; of planted ones each is found, and nothing else.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  set(traps ${PROJECT_SOURCE_DIR}/tools/nvcc_traps.py)
  set(planted ${CMAKE_CURRENT_LIST_DIR}/planted_traps)
  add_test(NAME tools.NvccTraps.None COMMAND Python3::Interpreter ${traps})

  add_library(planted_host_call OBJECT ${planted}/host_call.cu)
  set_source_files_properties(${planted}/host_call.cu PROPERTIES LANGUAGE CXX)
  add_test(NAME tools.NvccTraps.PlantedOnesAreFound
    COMMAND Python3::Interpreter ${traps} --root ${planted}
      --objects ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/planted_host_call.dir)
  set_tests_properties(tools.NvccTraps.PlantedOnesAreFound PROPERTIES PASS_REGULAR_EXPRESSION
    "^kernels/designators.cu:7: nvcc may drop[^\n]*\n[^\n]*/host_call.cu.o: host code calls a device function[^\n]*\n$")
endif()
