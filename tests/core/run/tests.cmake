set(floor_sources training_run_test.cpp)
set(floor_libraries libzip::zip)
