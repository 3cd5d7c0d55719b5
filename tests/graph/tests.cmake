# Sources of this floor; see tests/backend_tests.cmake.
set(floor_sources
  ${CMAKE_CURRENT_LIST_DIR}/differentiate_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/graph_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/notices_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/plan_test.cpp)
