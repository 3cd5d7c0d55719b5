# Planted bugs: each must be reported at its line, each correct twin must be clean. Run with one worker and with
# several: a race between blocks must be found even where one worker runs them all.
add_executable(planted)
adjoint_target_sources(planted host ${CMAKE_CURRENT_LIST_DIR}/planted.cu)
target_link_libraries(planted PRIVATE adjoint_host)

set(address_bugs global_bounds static_bounds dynamic_bounds misaligned stack_overflow)
set(thread_bugs block_race reduction_race warp_race grid_race grid_race_after_barrier last_block)
set(errors divergent_barrier lost_lane)

set(reported ${errors})
if(ADJOINT_SANITIZE STREQUAL "address")
  list(APPEND reported ${address_bugs})
elseif(ADJOINT_SANITIZE STREQUAL "thread")
  list(APPEND reported ${thread_bugs})
endif()

# The regular expression that names the line marked "BUG name".
file(READ ${CMAKE_CURRENT_LIST_DIR}/planted.cu planted_source)
function(planted_place bug result)
  string(REGEX MATCH "// BUG ${bug}[,\n]" mark "${planted_source}")
  string(FIND "${planted_source}" "${mark}" end)
  string(SUBSTRING "${planted_source}" 0 ${end} before)
  string(REGEX REPLACE "[^\n]" "" newlines "${before}")
  string(LENGTH "${newlines}" line)
  math(EXPR line "${line} + 1")
  set(${result} "planted\\.cu:${line}" PARENT_SCOPE)
endfunction()

foreach(workers 1 3)
  foreach(bug ${reported})
    planted_place(${bug} place)
    set(test host.Planted.${bug}.${workers})
    add_test(NAME ${test} COMMAND planted ${bug})
    set_tests_properties(${test} PROPERTIES PASS_REGULAR_EXPRESSION "${place}"
      FAIL_REGULAR_EXPRESSION "nothing found" TIMEOUT 120
      ENVIRONMENT "ADJOINT_WORKERS=${workers};UBSAN_OPTIONS=print_stacktrace=1;TSAN_OPTIONS=halt_on_error=1 atexit_sleep_ms=0")
  endforeach()
  foreach(bug ${errors} ${address_bugs} ${thread_bugs})
    set(test host.Planted.${bug}.fixed.${workers})
    add_test(NAME ${test} COMMAND planted ${bug} fixed)
    set_tests_properties(${test} PROPERTIES TIMEOUT 120 ENVIRONMENT "ADJOINT_WORKERS=${workers};TSAN_OPTIONS=atexit_sleep_ms=0")
  endforeach()
endforeach()

# What host execution costs, for tools/compare/README.md; built on request.
add_executable(bench_host_execution EXCLUDE_FROM_ALL)
adjoint_target_sources(bench_host_execution host ${CMAKE_CURRENT_LIST_DIR}/execution_bench.cu)
target_link_libraries(bench_host_execution PRIVATE adjoint_host)
