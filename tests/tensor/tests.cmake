# Tensors know no backend: these are part of test_base.
target_sources(test_base PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/dtype_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/shape_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tensor_test.cpp)
