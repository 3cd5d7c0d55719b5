// The four files of MNIST, and of every set in files of their names.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/samples/dataset.h"

namespace adjoint {

struct MnistOptions {
  /// The labels of both parts say how many classes there are, but no fewer than these: small files
  /// may lack a digit.
  std::int32_t least_classes = 10;
  std::int32_t ignored_label = -100;
};

/// The four files of MNIST (train-images-idx3-ubyte, ..., also spelled train-images.idx3-ubyte,
/// with or without .gz) in `folder` or in its subfolder mnist: Fashion-MNIST, EMNIST and any other
/// set in files of these names. Images are bytes [count, height, width] or [count, channels,
/// height, width] of any size, labels whole numbers of any type. Throws Error for a missing folder
/// or file, files of other shapes or types, counts of images and labels that differ, and what
/// check_dataset refuses.
Datasets load_mnist(const std::filesystem::path& folder, const MnistOptions& options = {});

}  // namespace adjoint
