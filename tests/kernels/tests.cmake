# Beside the kernels' own tests, which their add_kernel and add_layer lines add.
set(floor_sources pointwise_loss_test.cu pointwise_test.cu engines/matmul_door_test.cpp engines/matmul_test.cpp)
if(backend STREQUAL "host")
  list(APPEND floor_sources engines/host_matmul_test.cpp)
endif()
