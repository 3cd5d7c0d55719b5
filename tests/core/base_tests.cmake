# Tests of what knows no backend: one program, test_base.
set(base_tests
  base/abi_test.cpp base/encoding_test.cpp base/error_test.cpp base/files_test.cpp base/gzip_test.cpp base/log_test.cpp
  base/kind_registry_test.cpp base/option_visitors_test.cpp base/options_test.cpp base/png_test.cpp base/text_test.cpp
  tensor/dtype_test.cpp tensor/initializer_test.cpp tensor/shape_test.cpp tensor/tensor_test.cpp
  samples/data_kinds_test.cpp samples/dataset_test.cpp samples/recipe_data_test.cpp samples/statistics_test.cpp samples/table_notices_test.cpp
  samples/target_check_test.cpp
  data/generated/digits_test.cpp data/generated/draw_rows_test.cpp
  data/loader/order_test.cpp
  data/readers/csv_test.cpp data/readers/idx_test.cpp data/readers/mnist_test.cpp data/readers/npy_test.cpp
  data/readers/sample_files_test.cpp data/readers/tables_test.cpp
  train/files/outline_test.cpp train/files/run_folder_test.cpp train/files/safetensors_test.cpp
  train/recipe/layer_names_test.cpp train/recipe/recipe_keys_test.cpp train/recipe/recipe_test.cpp)
list(TRANSFORM base_tests PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
target_sources(test_base PRIVATE ${base_tests})
target_link_libraries(test_base PRIVATE ZLIB::ZLIB libzip::zip)
# The fuzzers' targets over their corpora.
foreach(name csv idx npy npz png recipe safetensors)
  target_sources(test_base PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/${name}_fuzz.cpp)
endforeach()
target_sources(test_base PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus_test.cpp)
