// Where the files lie that tests read. Only source_folder.cpp is compiled with the paths of this
// tree, so that a compiler cache serves all other tests to every clone.
#pragma once

#include <filesystem>

namespace adjoint {

/// The source tree the tests were built from, or the folder that ADJOINT_SOURCE names, where
/// programs were carried to another machine (tools/gpu_node).
std::filesystem::path source_folder();

/// The folder of data sets: ADJOINT_DATA, else ../shared/data beside the source tree. Tests skip
/// where what they need is not there.
std::filesystem::path data_folder();

}  // namespace adjoint
