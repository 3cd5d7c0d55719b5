# Sources of this floor beside the layers' own tests, which their add_layer lines add.
set(floor_sources
  ${CMAKE_CURRENT_LIST_DIR}/contract_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/fixtures_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/limits_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/pointwise_test.cpp)
