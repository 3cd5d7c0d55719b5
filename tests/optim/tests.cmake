# Beside the tests of single methods, which their add_optimizer lines add.
set(floor_sources adamw_update_test.cpp rules_test.cpp schedules_test.cpp sgd_update_test.cpp)
