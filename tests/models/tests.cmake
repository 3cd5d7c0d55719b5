# Whole models: what several floors do together.
set(floor_sources classifier_test.cpp offset_test.cpp readme_test.cpp running_state_test.cpp tables_test.cpp)
