set(floor_sources
  files/engine_choices_test.cpp files/model_file_test.cpp
  judging/metrics_test.cpp judging/predictor_test.cpp
  loop/batch_source_test.cpp loop/gradient_watch_test.cpp loop/judging_test.cpp loop/resume_test.cpp loop/skipped_updates_test.cpp
  loop/stopping_test.cpp loop/trainer_test.cpp
  recipe/model_test.cpp recipe/named_values_test.cpp recipe/optimizer_keys_test.cpp recipe/plugin.cu recipe/plugin_test.cpp)
if(backend STREQUAL "host")
  list(APPEND floor_sources loop/host_workers_test.cpp)
endif()
