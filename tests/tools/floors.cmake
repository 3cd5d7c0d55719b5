# The floors of the house (tools/floors.py): they hold, and a planted upward include does not.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME tools.Floors.Hold COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/floors.py)
  add_test(NAME tools.Floors.APlantedUpwardIncludeFails
    COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/floors.py --root ${CMAKE_CURRENT_LIST_DIR}/planted_floors)
  set_tests_properties(tools.Floors.APlantedUpwardIncludeFails PROPERTIES PASS_REGULAR_EXPRESSION
    "core/graph/up.h:3: includes layers/products/linear.h, but layers stands above core/graph.*core/train/loop/across.h:3: names CUDA.*core/train/loop/across.h:4: includes core/data/loader/loader.h, but core/data stands beside core/train.*3 includes")
endif()
