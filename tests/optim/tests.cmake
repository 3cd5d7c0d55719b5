# Sources of this floor; tests of single methods are added by their add_optimizer line.
set(floor_sources
  ${CMAKE_CURRENT_LIST_DIR}/adamw_update_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/loss_scaling_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/methods_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/optimizer_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/parameter_groups_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/schedule_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sgd_update_test.cpp)
