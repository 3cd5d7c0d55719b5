# Sources of this floor; tests of layers, kernels and optimizers are added by their add_* line.
set(floor_sources
  ${PROJECT_SOURCE_DIR}/tests/kernels/pointwise_loss_test.cu
  ${PROJECT_SOURCE_DIR}/tests/kernels/pointwise_test.cu)
