set(floor_sources differentiate_test.cpp gradient_ranges_test.cpp graph_test.cpp loss_test.cpp no_gradient_test.cpp notices_test.cpp operations_test.cpp plan_test.cpp random_graph.cpp
  random_graph_check.cpp random_graphs_test.cpp recompute_test.cpp registry_test.cpp weights_test.cpp)

# Random graphs for hours: a program.
set(program random_graphs_${backend})
add_executable(${program} EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/random_graph.cpp
  ${CMAKE_CURRENT_LIST_DIR}/random_graph_check.cpp ${CMAKE_CURRENT_LIST_DIR}/random_graphs.cpp)
target_link_libraries(${program} PRIVATE adjoint_${backend} CLI11::CLI11)
target_include_directories(${program} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_compile_options(${program} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O1>)
