set(floor_sources loss_scaling_test.cpp optimizer_test.cpp parameter_groups_test.cpp sign_rule.cu update_rule_test.cpp)
