# Sources of this floor; tests of layers, kernels and optimizers are added by their add_* line.
set(floor_sources
  ${CMAKE_CURRENT_LIST_DIR}/optimizer_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/schedule_test.cpp)
