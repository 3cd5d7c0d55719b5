# Tests without a backend.
target_sources(test_base PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/error_test.cpp)
