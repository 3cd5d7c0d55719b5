// Finds the four IDX files and joins images with their labels; [data] name = "mnist".
#include "core/data/readers/mnist.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "core/base/error.h"
#include "core/data/readers/idx.h"
#include "core/samples/data_kinds.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;

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

bool whole_numbers(IdxType type) { return type != IdxType::float32 && type != IdxType::float64; }

// Of whole numbers of any type.
std::vector<std::int32_t> labels_of(const IdxArray& array) {
  std::vector<std::int32_t> labels(static_cast<std::size_t>(array.dims[0]));
  const auto each = [&]<class T>(T value) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      std::memcpy(&value, array.bytes.data() + i * sizeof(T), sizeof(T));
      labels[i] = std::int32_t{value};
    }
  };
  if (array.type == IdxType::uint8) each(std::uint8_t{});
  if (array.type == IdxType::int8) each(std::int8_t{});
  if (array.type == IdxType::int16) each(std::int16_t{});
  if (array.type == IdxType::int32) each(std::int32_t{});
  return labels;
}

// Without its classes, which both parts show together.
Dataset load_part(const fs::path& folder, const std::string& stem, const std::string& name,
                  const MnistOptions& options) {
  const fs::path image_path = require_file(folder, stem + "-images", "idx3-ubyte");
  const fs::path label_path = require_file(folder, stem + "-labels", "idx1-ubyte");
  const IdxArray images = read_idx(image_path);
  const std::size_t rank = images.dims.size();
  ADJOINT_CHECK(images.type == IdxType::uint8 && (rank == 3 || rank == 4), image_path.string(),
                ": expected images as uint8 of 3 dimensions, or 4 with channels, got ",
                adjoint::name(images.type), " of ", rank);
  const IdxArray labels = read_idx(label_path);
  ADJOINT_CHECK(whole_numbers(labels.type) && labels.dims.size() == 1, label_path.string(),
                ": expected labels as uint8 of 1 dimension, or other whole numbers, got ",
                adjoint::name(labels.type), " of ", labels.dims.size());
  ADJOINT_CHECK(images.dims[0] == labels.dims[0], "'", image_path.string(), "' holds ",
                images.dims[0], " images but '", label_path.string(), "' ", labels.dims[0],
                " labels; they do not belong together");
  Dataset dataset{
      .name = name,
      .count = images.dims[0],
      .sample = {rank == 4 ? images.dims[1] : 1, images.dims[rank - 2], images.dims[rank - 1]},
      .labels = labels_of(labels),
      .ignored_label = options.ignored_label};
  const auto* pixels = reinterpret_cast<const std::uint8_t*>(images.bytes.data());
  dataset.images.assign(pixels, pixels + images.bytes.size());
  ADJOINT_CHECK(dataset.count > 0, image_path.string(), ": the data set is empty");
  return dataset;
}

// The labels of both parts, from 0; a large one that comes nowhere else is to be ignored.
std::int32_t classes_of(const Datasets& mnist, const MnistOptions& options) {
  std::int32_t classes = options.least_classes;
  for (const Dataset* part : {&mnist.train, &mnist.test})
    for (const std::int32_t label : part->labels) {
      // More classes than samples: most would be empty.
      ADJOINT_CHECK(label == options.ignored_label || label < std::max(256L, mnist.train.count),
                    part->name, ": a label of ", label, " in ", mnist.train.count,
                    " training samples; expected classes counted from 0");
      if (label != options.ignored_label) classes = std::max(classes, label + 1);
    }
  return classes;
}

}  // namespace

Datasets load_mnist(const fs::path& folder, const MnistOptions& options) {
  const fs::path found = mnist_folder(folder);
  Datasets mnist{load_part(found, "train", "mnist train", options),
                 load_part(found, "t10k", "mnist test", options)};
  mnist.train.classes = mnist.test.classes = classes_of(mnist, options);
  check_dataset(mnist.train);
  check_dataset(mnist.test);
  ADJOINT_CHECK(mnist.train.sample == mnist.test.sample, "MNIST: training images are ",
                mnist.train.sample, " but test images ", mnist.test.sample);
  return mnist;
}

namespace {

// The first `count` samples; all of them where count is 0.
Dataset first_samples(Dataset data, std::int64_t count, const char* key) {
  ADJOINT_CHECK(count <= data.count, "[data] ", key, ": expected at most ", data.count,
                " samples, which is what ", data.name, " has, got ", count);
  if (count == 0 || count == data.count) return data;
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return select(data, indices);
}

// Their labels do not say whether they lack a class; a model that makes MNIST's ten says so.
MnistOptions mnist_options(const DataRecipe& recipe) {
  const std::int32_t digits = MnistOptions().least_classes;
  return {.least_classes = recipe.model_classes.value_or(digits) == digits ? digits : 0,
          .ignored_label = recipe.ignored_label.value_or(Dataset().ignored_label)};
}

Datasets load(const DataRecipe& recipe, const fs::path& folder, const LossTargets&) {
  ADJOINT_CHECK(!folder.empty(),
                "[data] name = \"mnist\" needs a folder with the four IDX files of MNIST; name it "
                "with --data FOLDER");
  Datasets all = load_mnist(folder, mnist_options(recipe));
  return {first_samples(std::move(all.train), recipe.train_count, "train_count"),
          first_samples(std::move(all.test), recipe.test_count, "test_count")};
}

// Without the folder, what MNIST's own images are.
Dataset outline(const DataRecipe& recipe, const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error)) return load_mnist(folder, mnist_options(recipe)).train;
  const std::int32_t classes = recipe.model_classes.value_or(MnistOptions().least_classes);
  return {.name = recipe.name, .sample = {1, 28, 28}, .classes = std::max(classes, 1)};
}

const bool kRegistered =
    register_data_kind({.name = "mnist",
                        .input = DataInput::images,
                        .read =
                            [](Options& options, DataRecipe& data, Predicted) {
                              read_counts(options, data, 0, 0, /*least=*/0);
                              read_known_target(options, data, Task::classification);
                            },
                        .write = write_counts,
                        .load = load,
                        .resolve = resolve_counts,
                        .outline = outline});

}  // namespace

}  // namespace adjoint
