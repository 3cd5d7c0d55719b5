# What the project stands on, and the three libraries its folders fill:
#
#   adjoint_base   what knows no device: errors, files, types, datasets in memory, safetensors
#   adjoint_host   tensors, kernels, graph, layers, optimizers, training; kernels run on the CPU
#   adjoint_cuda   the same sources, kernels run on a GPU
#
# A backend library is compiled with ADJOINT_BACKEND=host or =cuda, the name of the inline namespace
# that keeps the two apart in one program. All are shared: with static ones the registrars of layers
# are dropped by the linker and plugins get a second registry. The backend targets are created in
# folders of their own (core/device/host, core/device/cuda), because CMake keeps the language of a
# source file per folder, and a .cu file is C++ to the one and CUDA to the other.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Iconv REQUIRED)
find_package(PNG REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus QUIET)
if(NOT TARGET tomlplusplus::tomlplusplus)
  find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)
  add_library(tomlplusplus::tomlplusplus INTERFACE IMPORTED)
  target_include_directories(tomlplusplus::tomlplusplus INTERFACE ${TOMLPLUSPLUS_INCLUDE_DIR})
endif()
# By hand: the package's own configuration demands its programs, which Debian has in another package.
find_path(LIBZIP_INCLUDE_DIR zip.h REQUIRED)
find_library(LIBZIP_LIBRARY zip REQUIRED)
add_library(libzip::zip UNKNOWN IMPORTED)
set_target_properties(libzip::zip PROPERTIES
  IMPORTED_LOCATION ${LIBZIP_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${LIBZIP_INCLUDE_DIR})
find_package(Boost REQUIRED COMPONENTS context)
include(AdjointOneDnn)

set(ADJOINT_BACKENDS host)
if(ADJOINT_CUDA)
  find_package(CUDAToolkit REQUIRED)
  list(APPEND ADJOINT_BACKENDS cuda)
endif()

# adjoint_library(NAME): an empty shared library of the project, to be filled by adjoint_sources.
function(adjoint_library name)
  add_library(${name} SHARED)
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC adjoint_flags)
  adjoint_precompile(${name})
endfunction()

# adjoint_target_sources(TARGET BACKEND FILE...): adds files, telling CMake that .cu is C++ on the host.
function(adjoint_target_sources target backend)
  foreach(file ${ARGN})
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    target_sources(${target} PRIVATE ${file})
    if(file MATCHES "\\.cu$" AND backend STREQUAL "host")
      set_source_files_properties(${file} TARGET_DIRECTORY ${target} PROPERTIES LANGUAGE CXX)
    endif()
  endforeach()
endfunction()

# adjoint_sources(WHERE FILE...): files of the calling folder for one library (`base`, `host`, `cuda`)
# or for every backend built (`backends`).
function(adjoint_sources where)
  set(libraries ${where})
  if(where STREQUAL "backends")
    set(libraries ${ADJOINT_BACKENDS})
  endif()
  foreach(library ${libraries})
    adjoint_target_sources(adjoint_${library} ${library} ${ARGN})
  endforeach()
endfunction()
