# One line per layer and one per kernel without a layer. Each wires the sources and the tests that
# mirror them, and fails when a test is missing.

# adjoint_mirror_test(FLOOR NAME): tests/FLOOR/NAME_test.cpp becomes part of the floor's test program.
function(adjoint_mirror_test floor name)
  set(test ${PROJECT_SOURCE_DIR}/tests/${floor}/${name}_test.cpp)
  if(NOT EXISTS ${test})
    message(FATAL_ERROR "${floor}/${name} has no test: expected tests/${floor}/${name}_test.cpp")
  endif()
  set_property(GLOBAL APPEND PROPERTY ADJOINT_TESTS_${floor} ${test})
endfunction()

# add_kernel(NAME): kernels/NAME.{h,cu} and tests/kernels/NAME_test.cpp.
function(add_kernel name)
  adjoint_sources(backends ${PROJECT_SOURCE_DIR}/kernels/${name}.cu)
  adjoint_mirror_test(kernels ${name})
endfunction()

# add_layer(ROOM/NAME [NO_FIXTURE]): layers/ROOM/NAME.{h,cpp} and tests/layers/ROOM/NAME_test.cpp, with
# kernels/NAME.{h,cu} and its test where the layer has kernels of its own. Its cases as PyTorch works them out
# lie in tests/fixtures/layers/NAME.safetensors, unless nothing can be held against it.
function(add_layer path)
  cmake_path(GET path FILENAME name)
  adjoint_sources(backends ${PROJECT_SOURCE_DIR}/layers/${path}.cpp)
  if(EXISTS ${PROJECT_SOURCE_DIR}/kernels/${name}.cu)
    add_kernel(${name})
  endif()
  adjoint_mirror_test(layers ${path})
  if(NOT "NO_FIXTURE" IN_LIST ARGN)
    adjoint_require_fixture(${name})
  endif()
endfunction()

# add_pointwise_layers(ROOM/NAME KIND...): functors in layers/ROOM/NAME.cu that are layers or losses of these
# kinds. Their fixtures are their tests, beside what is tested of every registered layer.
function(add_pointwise_layers path)
  adjoint_sources(backends ${PROJECT_SOURCE_DIR}/layers/${path}.cu)
  foreach(kind ${ARGN})
    adjoint_require_fixture(${kind})
  endforeach()
endfunction()

function(adjoint_require_fixture name)
  if(NOT EXISTS ${PROJECT_SOURCE_DIR}/tests/fixtures/layers/${name}.safetensors)
    message(FATAL_ERROR "layers/${name} has no fixture: enter its cases in a script of tests/fixtures and run make.py")
  endif()
endfunction()

# add_optimizer(NAME): optim/NAME.cu, a functor and its update rule, which enters itself under its kind.
# tests/optim/rules_test.cpp goes over all kinds; a test of its own is optional.
function(add_optimizer name)
  adjoint_sources(backends ${PROJECT_SOURCE_DIR}/optim/${name}.cu)
  if(EXISTS ${PROJECT_SOURCE_DIR}/tests/optim/${name}_test.cpp)
    adjoint_mirror_test(optim ${name})
  endif()
endfunction()
