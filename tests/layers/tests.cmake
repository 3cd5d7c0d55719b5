# Beside the layers' own tests, which their add_layer lines add.
set(floor_sources contract_test.cpp fixtures_test.cpp limits_test.cpp registry_test.cpp activations/pointwise_test.cpp)
