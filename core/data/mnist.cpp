// load_mnist of dataset.h: finds the four IDX files and joins images with their labels.
#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "core/data/dataset.h"
#include "core/data/idx.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;

/// Ten classes where the labels leave it open: a small test file may lack a digit.
constexpr std::int32_t kClasses = 10;

/// `stem` and `suffix` make "train-images" + "idx3-ubyte"; both are in circulation with '-' and
/// '.'.
fs::path find_file(const fs::path& folder, const std::string& stem, const std::string& suffix) {
  for (const char* separator : {"-", "."}) {
    for (const char* packed : {"", ".gz"}) {
      fs::path path = folder / str(stem, separator, suffix, packed);
      std::error_code error;
      if (fs::is_regular_file(path, error)) return path;
    }
  }
  return {};
}

fs::path require_file(const fs::path& folder, const std::string& stem, const std::string& suffix) {
  fs::path path = find_file(folder, stem, suffix);
  ADJOINT_CHECK(!path.empty(), "MNIST: '", folder.string(), "' has no ", stem, "-", suffix,
                " (plain or .gz); put the four IDX files there or name another folder");
  return path;
}

fs::path mnist_folder(const fs::path& folder) {
  std::error_code error;
  ADJOINT_CHECK(fs::exists(folder, error), "MNIST: folder '", folder.string(),
                "' does not exist; name the one that holds train-images-idx3-ubyte.gz");
  ADJOINT_CHECK(fs::is_directory(folder, error), "MNIST: '", folder.string(),
                "' is not a folder; name the one that holds train-images-idx3-ubyte.gz");
  const bool below = find_file(folder, "train-images", "idx3-ubyte").empty() &&
                     fs::is_directory(folder / "mnist", error);
  return below ? folder / "mnist" : folder;
}

Dataset load_part(const fs::path& folder, const std::string& stem, const std::string& name) {
  const fs::path image_path = require_file(folder, stem + "-images", "idx3-ubyte");
  const fs::path label_path = require_file(folder, stem + "-labels", "idx1-ubyte");
  const IdxArray images = read_idx(image_path);
  ADJOINT_CHECK(images.type == IdxType::uint8 && images.dims.size() == 3, image_path.string(),
                ": expected images as uint8 of 3 dimensions, got ", adjoint::name(images.type),
                " of ", images.dims.size());
  const IdxArray labels = read_idx(label_path);
  ADJOINT_CHECK(labels.type == IdxType::uint8 && labels.dims.size() == 1, label_path.string(),
                ": expected labels as uint8 of 1 dimension, got ", adjoint::name(labels.type),
                " of ", labels.dims.size());
  ADJOINT_CHECK(images.dims[0] == labels.dims[0], "'", image_path.string(), "' holds ",
                images.dims[0], " images but '", label_path.string(), "' ", labels.dims[0],
                " labels; they do not belong together");
  Dataset dataset{.name = name,
                  .count = images.dims[0],
                  .sample = {1, images.dims[1], images.dims[2]},
                  .classes = kClasses};
  const auto* pixels = reinterpret_cast<const std::uint8_t*>(images.bytes.data());
  dataset.images.assign(pixels, pixels + images.bytes.size());
  for (std::byte label : labels.bytes) {
    dataset.labels.push_back(std::to_integer<std::int32_t>(label));
  }
  ADJOINT_CHECK(dataset.count > 0, image_path.string(), ": the data set is empty");
  check_dataset(dataset);
  return dataset;
}

}  // namespace

Datasets load_mnist(const fs::path& folder) {
  const fs::path found = mnist_folder(folder);
  Datasets mnist{load_part(found, "train", "mnist train"), load_part(found, "t10k", "mnist test")};
  ADJOINT_CHECK(mnist.train.sample == mnist.test.sample, "MNIST: training images are ",
                mnist.train.sample, " but test images ", mnist.test.sample);
  return mnist;
}

}  // namespace adjoint
