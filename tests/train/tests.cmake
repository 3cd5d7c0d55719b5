# Sources of this floor; tests of layers, kernels and optimizers are added by their add_* line.
set(floor_sources
  ${CMAKE_CURRENT_LIST_DIR}/engine_choices_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/judging_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/loader_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/metrics_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/model_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/offset_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/optimizer_keys_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/predictor_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/resume_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/skipped_updates_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/stopping_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tables_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/trainer_test.cpp)
if(backend STREQUAL "host")
  list(APPEND floor_sources ${CMAKE_CURRENT_LIST_DIR}/host_workers_test.cpp)
endif()
