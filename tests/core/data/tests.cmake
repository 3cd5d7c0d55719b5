set(floor_sources loader/loader_test.cpp)
