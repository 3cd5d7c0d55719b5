# Beside the tests of single methods, which their add_optimizer lines add.
set(floor_sources adamw_update_test.cpp methods_test.cpp schedule_test.cpp sgd_update_test.cpp)
