# One line per layer and one per kernel without a layer. Each wires the sources and the tests that
# mirror them, and fails when a test is missing.

function(adjoint_mirror_test folder name)
  set(test ${PROJECT_SOURCE_DIR}/tests/${folder}/${name}_test.cpp)
  if(NOT EXISTS ${test})
    message(FATAL_ERROR "${folder}/${name} has no test: expected tests/${folder}/${name}_test.cpp")
  endif()
  set_property(GLOBAL APPEND PROPERTY ADJOINT_TESTS_${folder} ${test})
endfunction()

# add_kernel(NAME): kernels/NAME.{h,cu} and tests/kernels/NAME_test.cpp.
function(add_kernel name)
  adjoint_sources(backends ${PROJECT_SOURCE_DIR}/kernels/${name}.cu)
  adjoint_mirror_test(kernels ${name})
endfunction()

# add_layer(NAME): layers/NAME.{h,cpp} and tests/layers/NAME_test.cpp, with kernels/NAME.{h,cu} and its
# test where the layer has kernels of its own. A pointwise layer is a functor in layers/NAME.cu alone.
function(add_layer name)
  set(source ${PROJECT_SOURCE_DIR}/layers/${name})
  if(EXISTS ${source}.cu)
    adjoint_sources(backends ${source}.cu)
  else()
    adjoint_sources(backends ${source}.cpp)
  endif()
  if(EXISTS ${PROJECT_SOURCE_DIR}/kernels/${name}.cu)
    add_kernel(${name})
  endif()
  adjoint_mirror_test(layers ${name})
endfunction()

# add_optimizer(NAME): optim/NAME.{h,cpp}, kernels/NAME.{h,cu} and both tests.
function(add_optimizer name)
  adjoint_sources(backends ${PROJECT_SOURCE_DIR}/optim/${name}.cpp)
  add_kernel(${name})
  adjoint_mirror_test(optim ${name})
endfunction()
