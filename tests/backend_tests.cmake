# The tests of one backend; included by tests/host and tests/cuda with `backend` set.
foreach(floor ${ADJOINT_TEST_FLOORS})
  set(floor_sources)
  include(${PROJECT_SOURCE_DIR}/tests/${floor}/tests.cmake)  # sets floor_sources
  get_property(mirrored GLOBAL PROPERTY ADJOINT_TESTS_${floor})
  list(APPEND floor_sources ${mirrored})
  if(floor_sources)
    set(target test_${floor}_${backend})
    add_executable(${target})
    adjoint_target_sources(${target} ${backend} ${floor_sources})
    target_link_libraries(${target} PRIVATE adjoint_${backend})
    adjoint_discover(${target} ${backend})
  endif()
endforeach()

# What test_parity compares this backend by.
add_library(parity_cases_${backend} STATIC ${PROJECT_SOURCE_DIR}/tests/parity/cases.cpp)
target_link_libraries(parity_cases_${backend} PRIVATE adjoint_${backend} GTest::gtest)
target_include_directories(parity_cases_${backend} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_compile_options(parity_cases_${backend} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O1>)
