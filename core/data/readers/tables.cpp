#include "core/data/readers/tables.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/samples/statistics.h"
#include "core/samples/table_notices.h"

namespace adjoint {
namespace {

bool whole_number(const std::string& text, std::int64_t& value) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end;
}

std::string first_few(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  const auto shown = std::span(names).first(std::min(names.size(), kShown));
  return join(shown, ", ") + (names.size() > kShown ? ", ..." : "");
}

// ---- arrays

// Leaves out the rows that hold a NaN in features or targets, and tells how many.
Dataset complete_rows(Dataset data) {
  const auto width = static_cast<std::size_t>(data.sample_size());
  const auto outputs = static_cast<std::size_t>(data.outputs);
  std::vector<std::int64_t> kept, missing(width + outputs);
  const auto misses = [&](const std::vector<float>& values, std::size_t columns, std::size_t row,
                          std::size_t first) {
    bool found = false;
    for (std::size_t j = 0; j < columns && !values.empty(); ++j) {
      if (!std::isnan(values[row * columns + j])) continue;
      ++missing[first + j];
      found = true;
    }
    return found;
  };
  for (std::int64_t i = 0; i < data.count; ++i) {
    const auto row = static_cast<std::size_t>(i);
    const bool feature = misses(data.features, width, row, 0);
    if (!misses(data.targets, outputs, row, width) && !feature) kept.push_back(i);
  }
  if (std::ssize(kept) == data.count) return data;
  ADJOINT_CHECK(!kept.empty(), data.name, ": all ", data.count, " rows miss a number");
  std::vector<ColumnCount> causes;
  for (std::size_t j = 0; j < missing.size(); ++j)
    if (missing[j] > 0)
      causes.push_back({j < width ? str("column ", j) : str("target ", j - width), missing[j]});
  Dataset complete = select(data, kept);
  complete.notices.push_back(
      *dropped_notice(data.name, data.count - complete.count, data.count, causes));
  return complete;
}

void set_input(Dataset& data, const NpyArray& input, bool allow_nan) {
  ADJOINT_CHECK(!input.dims.empty() && input.dims.size() <= Shape::kMaxRank && input.dims[0] > 0,
                data.name, ": expected an array [samples, ...] of at least one sample, got ",
                input.describe());
  data.count = input.dims[0];
  const std::span<const std::int64_t> rest = std::span(input.dims).subspan(1);
  data.sample = rest.empty() ? Shape{1} : Shape(rest);
  ADJOINT_CHECK(data.sample_size() > 0, data.name, ": samples of ", input.describe(),
                " have no numbers");
  const bool bytes = input.kind == NpyKind::unsigned_integer && input.size == 1;
  if (bytes && rest.size() >= 2) {
    if (rest.size() == 2) data.sample = {1, rest[0], rest[1]};
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(input.bytes.data());
    data.images.assign(pixels, pixels + input.bytes.size());
  } else {
    data.type = DType::float32;
    data.features = to_floats(input, data.name, allow_nan, &data.feature_remainders);
  }
}

void set_labels(Dataset& data, const NpyArray& target, std::int32_t classes) {
  const std::int32_t ignored = data.ignored_label;
  data.labels = to_integers(target, data.name + ", labels");
  ADJOINT_CHECK(std::ssize(data.labels) == data.count, data.name, ": expected labels [", data.count,
                "], got ", target.describe());
  data.classes = classes;
  if (classes == 0) {
    std::int32_t largest = -1;
    for (const std::int32_t label : data.labels)
      if (label != ignored) largest = std::max(largest, label);
    ADJOINT_CHECK(largest >= 0 || *std::ranges::min_element(data.labels) != ignored, data.name,
                  ": all labels are ", ignored,
                  ", the ignored_label of the loss; expected classes");
    // More classes than samples: some would be empty. Checked before anything is counted.
    ADJOINT_CHECK(largest < data.count, data.name, ": a label of ", largest, " in ", data.count,
                  " samples; expected classes counted from 0, each with samples");
    const bool next = std::ranges::find(data.labels, largest + 1) != data.labels.end();
    data.classes = largest + (next ? 2 : 1);
  }
  const auto bad = std::ranges::find_if(data.labels, [&](std::int32_t label) {
    return label != ignored && (label < 0 || label >= data.classes);
  });
  ADJOINT_CHECK(bad == data.labels.end(), data.name, ": sample ", bad - data.labels.begin(),
                " has label ", *bad, "; expected 0 to ", data.classes - 1,
                classes > 0 ? ", the classes of the training part," : "", " or ", ignored,
                ", the ignored_label of the loss");
  if (classes == 0) check_classes(data);
}

// ---- tables

bool says_unknown(const std::string& text, const UnknownLabels& unknown) {
  return std::ranges::find(unknown.texts, text) != unknown.texts.end();
}

void set_labels(Dataset& data, CsvTable table, const std::vector<std::string>& classes,
                const UnknownLabels& unknown) {
  data.classes = static_cast<std::int32_t>(classes.size());
  data.class_names = classes;
  data.ignored_label = unknown.number.value_or(data.ignored_label);
  const std::int32_t ignored = data.ignored_label;
  std::unordered_map<std::string, std::int32_t> index;
  for (const std::string& text : classes)
    index.emplace(text, static_cast<std::int32_t>(index.size()));
  std::vector<std::int32_t> class_of;
  for (std::size_t i = 0; i < table.label_texts.size(); ++i) {
    const std::string& text = table.label_texts[i];
    const auto found = index.find(text);
    if (found != index.end()) {
      class_of.push_back(found->second);
      continue;
    }
    ADJOINT_CHECK(
        says_unknown(text, unknown) || (unknown.number && text == std::to_string(ignored)),
        data.name, ": line ", table.label_lines[i], ": unknown label '", printable(text),
        "'; the classes are ", first_few(classes));
    ADJOINT_CHECK(ignored < 0 || ignored >= data.classes, data.name, ": line ",
                  table.label_lines[i], ": '", printable(text), "' is to be ignored as label ",
                  ignored, ", but that is the class '", classes[std::size_t(ignored)],
                  "'; choose an ignored_label that is no class, such as -100");
    class_of.push_back(ignored);
  }
  data.labels = std::move(table.labels);
  for (std::int32_t& label : data.labels) label = class_of[static_cast<std::size_t>(label)];
}

}  // namespace

std::vector<std::string> label_classes(const CsvTable& table, const std::string& name,
                                       const UnknownLabels& unknown) {
  std::vector<std::string> classes = table.label_texts;
  std::erase_if(classes, [&](const auto& text) { return says_unknown(text, unknown); });
  if (unknown.number && (*unknown.number < 0 || *unknown.number >= std::ssize(classes)))
    std::erase(classes, std::to_string(*unknown.number));
  ADJOINT_CHECK(classes.size() > 1, name, ": all rows have the label '",
                classes.empty() ? "" : classes[0], "'; expected at least two classes");
  ADJOINT_CHECK(table.rows < 100 || std::ssize(classes) <= table.rows / 2, name,
                ": the labels are of ", classes.size(), " kinds in ", table.rows,
                " rows; if they are numbers to predict, set [data] task = \"regression\"");
  std::int64_t ignored = 0;
  if (std::ranges::all_of(classes, [&](const auto& text) { return whole_number(text, ignored); })) {
    std::ranges::sort(classes, {}, [](const std::string& text) {
      std::int64_t value = 0;
      whole_number(text, value);
      return std::pair(value, text);  // "1" and "01" are two labels
    });
  } else {
    std::ranges::sort(classes);
  }
  return classes;
}

Dataset table_dataset(CsvTable table, const std::string& name,
                      const std::vector<std::string>& classes,
                      const std::vector<std::string>& features, const UnknownLabels& unknown) {
  if (!features.empty()) {
    ADJOINT_CHECK(table.feature_names.size() == features.size(), name, ": ",
                  table.feature_names.size(), " features, but the training part has ",
                  features.size());
    for (std::size_t i = 0; i < features.size(); ++i)
      ADJOINT_CHECK(table.feature_names[i] == features[i], name, ": feature ", i, " is '",
                    table.feature_names[i], "', but in the training part '", features[i], "'");
  }
  const auto columns = static_cast<std::int64_t>(table.feature_names.size());
  Dataset data{.name = name,
               .count = table.rows,
               .type = DType::float32,
               .sample = {columns},
               .features = std::move(table.features),
               .feature_remainders = std::move(table.feature_remainders),
               .feature_names = std::move(table.feature_names),
               .outputs = std::ssize(table.targets) / std::max<std::int64_t>(table.rows, 1),
               .targets = std::move(table.targets),
               .target_remainders = std::move(table.target_remainders),
               .notices = std::move(table.notices)};
  if (!table.labels.empty()) set_labels(data, std::move(table), classes, unknown);
  check_dataset(data);
  return data;
}

Dataset array_dataset(const std::string& name, const NpyArray& input, const NpyArray* target,
                      const ArrayOptions& options) {
  Dataset data{.name = name, .ignored_label = options.ignored_label};
  set_input(data, input, options.drop_missing);
  if (target != nullptr) {
    ADJOINT_CHECK(!target->dims.empty() && target->dims[0] == data.count, name, ": ", data.count,
                  " samples, but targets of ", target->describe());
    if (options.labels) {
      set_labels(data, *target, options.classes);
    } else {
      data.targets =
          to_floats(*target, name + ", targets", options.drop_missing, &data.target_remainders);
      data.outputs = std::ssize(data.targets) / data.count;
      ADJOINT_CHECK(data.outputs > 0, name, ": targets of ", target->describe(),
                    " hold no numbers");
    }
  }
  if (options.drop_missing) data = complete_rows(std::move(data));
  check_dataset(data);
  return data;
}

DataArray further_array(const std::string& file, const NpyArray& array, const std::string& name,
                        bool per_sample) {
  ADJOINT_CHECK(!array.dims.empty(), file, ": expected an array of one axis or more, got ",
                array.describe());
  std::vector<std::int64_t> extents(array.dims.begin() + (per_sample ? 1 : 0), array.dims.end());
  DataArray made{.name = name, .per_sample = per_sample};
  const auto keep = [&](const auto& values) {
    const auto bytes = std::as_bytes(std::span(values));
    made.values.assign(bytes.begin(), bytes.end());
  };
  const bool image =
      array.kind == NpyKind::unsigned_integer && array.size == 1 && array.dims.size() >= 3;
  if (image) {
    made.type = DType::uint8;
    keep(array.bytes);
  } else if (array.kind == NpyKind::floating || array.kind == NpyKind::bfloat) {
    keep(to_floats(array, file));
    if (extents.empty()) extents = {1};  // as numbers to predict are
  } else {
    made.type = DType::int32;
    keep(to_integers(array, file));
  }
  made.shape = Shape(extents);
  return made;
}

}  // namespace adjoint
