set(floor_sources loss_scaling_test.cpp optimizer_test.cpp parameter_groups_test.cpp)
