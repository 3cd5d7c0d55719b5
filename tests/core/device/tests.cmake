set(floor_sources atomics_test.cu collectives_test.cu execution_test.cu half_test.cpp memory_test.cpp philox_test.cpp
  streams_test.cpp)
if(backend STREQUAL "host")
  list(APPEND floor_sources host_errors_test.cu host_memory_test.cpp host_streams_test.cpp workers_test.cpp)
endif()
