# Whole models: what several floors do together.
set(floor_sources ${CMAKE_CURRENT_LIST_DIR}/classifier_test.cpp ${CMAKE_CURRENT_LIST_DIR}/readme_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/running_state_test.cpp)
