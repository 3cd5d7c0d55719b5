# Tests without a backend.
target_link_libraries(test_base PRIVATE ZLIB::ZLIB libzip::zip)
target_sources(test_base PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/csv_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/dataset_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/datasets_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/digits_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/encoding_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/error_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/files_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/generated_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gzip_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/idx_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/initializer_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/log_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/npy_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/options_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/recipe_keys_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/recipe_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/order_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/png_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/run_folder_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/safetensors_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/samples_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/statistics_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/table_notices_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tables_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/target_check_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/text_test.cpp)
# The fuzzers' targets over their corpora.
foreach(name csv idx npy npz png recipe safetensors)
  target_sources(test_base PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/${name}_fuzz.cpp)
endforeach()
target_sources(test_base PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus_test.cpp)
