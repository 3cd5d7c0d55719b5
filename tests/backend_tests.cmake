# The tests of one backend; included by tests/host and tests/cuda with `backend` set. Each floor lists in its
# tests.cmake, as floor_sources, what no add_* line adds, and what else it links, as floor_libraries.
foreach(floor ${ADJOINT_TEST_FLOORS})
  set(folder ${PROJECT_SOURCE_DIR}/tests/${floor})
  set(floor_libraries)
  include(${folder}/tests.cmake)
  list(TRANSFORM floor_sources PREPEND ${folder}/)
  get_property(mirrored GLOBAL PROPERTY ADJOINT_TESTS_${floor})
  cmake_path(GET floor FILENAME name)
  set(target test_${name}_${backend})
  add_executable(${target})
  adjoint_target_sources(${target} ${backend} ${floor_sources} ${mirrored})
  target_link_libraries(${target} PRIVATE adjoint_${backend} ${floor_libraries})
  adjoint_discover(${target} ${backend})
endforeach()

# What test_parity compares this backend by.
add_library(parity_cases_${backend} STATIC ${PROJECT_SOURCE_DIR}/tests/parity/cases.cpp)
target_link_libraries(parity_cases_${backend} PRIVATE adjoint_${backend} GTest::gtest)
target_include_directories(parity_cases_${backend} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_compile_options(parity_cases_${backend} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O1>)
