#include "core/data/readers/sample_files.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/png.h"
#include "core/base/text.h"
#include "core/data/readers/csv.h"
#include "core/data/readers/idx.h"
#include "core/data/readers/npy.h"
#include "core/data/readers/tables.h"

namespace adjoint {
namespace {

bool of_images(const Dataset& outline) { return outline.type == DType::uint8; }

// "images uint8 [1, 28, 28]", "4 features".
std::string wanted(const Dataset& outline) {
  if (of_images(outline)) return str("images of uint8 ", outline.sample);
  if (outline.sample.rank() == 1) return str(outline.sample[0], " features of a table");
  return str("numbers of ", outline.sample);
}

// ---- which kind of file

enum class Kind : std::uint8_t { png, idx, npy, csv };

bool begins_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() &&
         std::ranges::equal(bytes.first(text.size()), as_bytes(text));
}

Kind kind_of(const std::string& file, std::span<const std::byte> bytes, const Dataset& outline) {
  const std::string name = lower(file);
  const auto ends = [&](std::initializer_list<const char*> endings) {
    return std::ranges::any_of(endings, [&](const char* ending) { return name.ends_with(ending); });
  };
  if (ends({".png"})) return Kind::png;
  if (ends({".npy"})) return Kind::npy;
  if (ends({".csv", ".tsv"})) return Kind::csv;
  if (ends({".idx", "ubyte"})) return Kind::idx;
  if (begins_with(bytes, "\x89PNG")) return Kind::png;
  if (begins_with(bytes, "\x93NUMPY")) return Kind::npy;
  if (is_gzip(bytes) || begins_with(bytes, std::string_view("\0\0", 2))) return Kind::idx;
  if (!of_images(outline)) return Kind::csv;
  ADJOINT_FAIL(file, ": neither a PNG, IDX nor NPY file; expected ", wanted(outline));
}

// ---- arrays

NpyArray array_of(IdxArray idx) {
  const bool floating = idx.type == IdxType::float32 || idx.type == IdxType::float64;
  return {.kind = floating                     ? NpyKind::floating
                  : idx.type == IdxType::uint8 ? NpyKind::unsigned_integer
                                               : NpyKind::signed_integer,
          .size = size_of(idx.type),
          .dims = std::move(idx.dims),
          .bytes = std::move(idx.bytes)};
}

// How many samples an array of these dimensions holds; 0 where it holds none of this shape.
std::int64_t samples_in(std::span<const std::int64_t> dims, std::span<const std::int64_t> sample) {
  if (std::ranges::equal(dims, sample)) return 1;
  if (!dims.empty() && std::ranges::equal(dims.subspan(1), sample)) return dims[0];
  return 0;
}

std::int64_t samples_in(const NpyArray& array, const Shape& sample) {
  const auto extents = sample.extents();
  // One channel, or one feature, may go without an axis.
  if (extents.size() > 1 && extents[0] == 1)
    if (const std::int64_t count = samples_in(array.dims, extents.subspan(1))) return count;
  if (extents.size() == 1 && extents[0] == 1 && array.dims.size() == 1) return array.dims[0];
  return samples_in(array.dims, extents);
}

Dataset samples_of(const NpyArray& array, const std::string& file, const Dataset& outline) {
  Dataset data{.name = file, .type = outline.type, .sample = outline.sample};
  data.count = samples_in(array, outline.sample);
  ADJOINT_CHECK(data.count > 0, file, ": holds ", array.describe(), "; expected samples of ",
                outline.sample, ", with or without an axis before that counts them");
  if (!of_images(outline)) {
    data.features = to_floats(array, file, false, &data.feature_remainders);
    return data;
  }
  ADJOINT_CHECK(array.kind == NpyKind::unsigned_integer && array.size == 1, file, ": holds ",
                array.describe(), "; expected ", wanted(outline), ", bytes from 0 to 255");
  const auto* const pixels = reinterpret_cast<const std::uint8_t*>(array.bytes.data());
  data.images.assign(pixels, pixels + array.bytes.size());
  return data;
}

// What the model takes beside the samples of `file`, from the same archive.
DataArray further_of(const std::string& file, const DataArray& wanted, std::int64_t samples) {
  const std::string reference = array_beside(file, wanted.name);
  const NpyArray array = read_array({}, reference);
  // Of one sample, without the axis that counts.
  const bool bare = wanted.per_sample && std::ranges::equal(array.dims, wanted.shape.extents());
  DataArray made = further_array(reference, array, wanted.name, wanted.per_sample && !bare);
  made.per_sample = wanted.per_sample;
  const std::size_t count = wanted.per_sample ? std::size_t(samples) : 1;
  ADJOINT_CHECK(made.type == wanted.type && made.shape == wanted.shape &&
                    made.values.size() == count * made.row_bytes(),
                reference, ": holds ", array.describe(), "; the model takes ", name(wanted.type),
                " ", wanted.shape,
                wanted.per_sample ? str(" of each of ", samples, " samples") : " of all samples");
  return made;
}

void invert_images(Dataset& data) {
  for (std::uint8_t& pixel : data.images) pixel = std::uint8_t(255 - pixel);
}

// ---- the others

Dataset read_picture(std::span<const std::byte> bytes, const std::string& file,
                     const Dataset& outline, const SampleOptions& options) {
  const Shape& sample = outline.sample;
  ADJOINT_CHECK(of_images(outline) && sample.rank() == 3 && (sample[0] == 1 || sample[0] == 3),
                file, ": a picture, but the model takes ", wanted(outline));
  Image image = parse_png(
      bytes, file,
      {.channels = sample[0], .background = options.invert ? std::uint8_t{255} : std::uint8_t{0}});
  if (options.invert) invert(image);  // first: what is around it stays black
  return {.name = file,
          .count = 1,
          .sample = sample,
          .images = fit_image(image, sample[1], sample[2]).pixels};
}

// Columns that are not features, so that all others are read.
std::vector<std::string> other_columns(const std::vector<std::string>& columns,
                                       const std::string& file, const Dataset& outline,
                                       const DataRecipe& recipe) {
  const std::int64_t features = outline.sample_size(), found = std::ssize(columns);
  if (recipe.header && !outline.feature_names.empty()) {
    for (const std::string& feature : outline.feature_names)
      ADJOINT_CHECK(std::ranges::find(columns, feature) != columns.end(), file,
                    ": there is no column '", feature, "', a feature of the model; it has ", found,
                    " columns", did_you_mean(feature, columns));
    std::vector<std::string> others;
    for (const std::string& column : columns)
      if (std::ranges::find(outline.feature_names, column) == outline.feature_names.end())
        others.push_back(column);
    return others;
  }
  if (found == features) return {};
  std::vector<std::string> others = recipe.ignore;
  others.insert(others.end(), recipe.target.begin(), recipe.target.end());
  ADJOINT_CHECK(recipe.name == "csv" && found == features + std::ssize(others), file, ": has ",
                found, " columns, but the model takes ", features, " features");
  return others;
}

Dataset read_table(std::span<const std::byte> bytes, const std::string& file,
                   const Dataset& outline, const DataRecipe& recipe) {
  ADJOINT_CHECK(!of_images(outline) && outline.sample.rank() == 1, file,
                ": a table, but the model takes ", wanted(outline));
  CsvOptions options{.header = recipe.header,
                     .separator = lower(file).ends_with(".tsv") ? '\t' : recipe.separator,
                     .encoding = recipe.encoding};
  const std::vector<std::string> columns = csv_columns(bytes, file, options);
  options.ignored = other_columns(columns, file, outline, recipe);
  const CsvTable table = parse_csv(bytes, file, options);
  Dataset data{.name = file,
               .count = table.rows,
               .type = DType::float32,
               .sample = outline.sample,
               .features = table.features,
               .feature_remainders = table.feature_remainders};
  if (!options.header || outline.feature_names.empty()) return data;
  // In the order of the training file.
  const auto width = static_cast<std::size_t>(outline.sample_size());
  for (std::size_t j = 0; j < width; ++j) {
    const auto from =
        static_cast<std::size_t>(std::ranges::find(table.feature_names, outline.feature_names[j]) -
                                 table.feature_names.begin());
    for (std::size_t row = 0; row < static_cast<std::size_t>(table.rows); ++row) {
      data.features[row * width + j] = table.features[row * width + from];
      if (!table.feature_remainders.empty())
        data.feature_remainders[row * width + j] = table.feature_remainders[row * width + from];
    }
  }
  return data;
}

}  // namespace

Dataset read_samples(const std::string& file, const Dataset& outline, const DataRecipe& recipe,
                     const SampleOptions& options) {
  ADJOINT_CHECK(outline.arrays.empty() || names_archive(file), file, ": the model also takes '",
                outline.arrays[0].name, "'; expected an array of an archive, \"FILE.npz:ARRAY\", ",
                "which has it too");
  ADJOINT_CHECK(!options.invert || of_images(outline), file,
                ": nothing to invert: the model takes ", wanted(outline), ", not pictures");
  Dataset data;
  if (names_archive(file)) {
    data = samples_of(read_array({}, file), file, outline);
    for (const DataArray& array : outline.arrays)
      data.arrays.push_back(further_of(file, array, data.count));
  } else {
    const Bytes bytes = read_file(file);
    switch (kind_of(file, bytes, outline)) {
      case Kind::png:
        return read_picture(bytes, file, outline, options);
      case Kind::csv:
        return read_table(bytes, file, outline, recipe);
      case Kind::npy:
        data = samples_of(parse_npy(bytes, file), file, outline);
        break;
      case Kind::idx:
        data = samples_of(array_of(parse_idx(bytes, file)), file, outline);
        break;
    }
  }
  if (options.invert) invert_images(data);
  return data;
}

}  // namespace adjoint
