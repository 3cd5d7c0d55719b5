# Sources of this floor; tests of layers, kernels and optimizers are added by their add_* line.
set(floor_sources
  ${CMAKE_CURRENT_LIST_DIR}/atomics_test.cu
  ${CMAKE_CURRENT_LIST_DIR}/collectives_test.cu
  ${CMAKE_CURRENT_LIST_DIR}/execution_test.cu
  ${CMAKE_CURRENT_LIST_DIR}/matmul_door_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/matmul_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/half_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/memory_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/philox_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/streams_test.cpp)
if(backend STREQUAL "host")
  list(APPEND floor_sources
    ${CMAKE_CURRENT_LIST_DIR}/host_matmul_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/host_memory_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/host_errors_test.cu
    ${CMAKE_CURRENT_LIST_DIR}/workers_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/host_streams_test.cpp)
endif()
