#include "core/train/recipe/recipe_tables.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

const std::vector<std::string>& section_names() {
  static const std::vector<std::string> names = {"data",  "model",    "loss",
                                                 "optim", "schedule", "train"};
  return names;
}

/// "digits.toml, line 12"; of an override, itself. Tables an override made stand nowhere.
std::string place(const toml::source_region& source) {
  if (!source.path) return {};
  if (source.path->starts_with("--set ") || !source.begin) return *source.path;
  return str(*source.path, ", line ", source.begin.line);
}

std::string prefix(const toml::node& node) {
  const std::string where = place(node.source());
  return where.empty() ? where : str(where, ": ");
}

// ---- TOML

/// The place behind the string whose first quote stands at `at`.
std::size_t behind_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool lines = text.substr(at).starts_with(three);
  at += lines ? 3 : 1;
  while (at < text.size()) {
    if (lines ? text.substr(at).starts_with(three) : text[at] == quote || text[at] == '\n') break;
    at += text[at] == '\\' && quote == '"' ? 2 : 1;
  }
  at += lines ? 3 : 1;
  // Two quotes may stand before the three that close.
  for (int i = 0; lines && i < 2 && at < text.size() && text[at] == quote; ++i) ++at;
  return std::min(at, text.size());
}

/// a.b.c.d and so on makes a table in a table for every dot, and toml++ frees them by recursion:
/// some 50,000 dots exhaust the stack. It limits brackets itself.
void check_dots(std::string_view text, const std::string& source) {
  constexpr int kMostDots = 64;
  int dots = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = behind_string(text, at);
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (std::string_view("=,[]{}\n").find(c) != std::string_view::npos) dots = 0;
    if (c == '.') ++dots;
    ADJOINT_CHECK(dots <= kMostDots, source, ": not a recipe: a key of more than ", kMostDots,
                  " dots in line ", 1 + std::ranges::count(text.substr(0, at), '\n'));
    ++at;
  }
}

/// Throws toml::parse_error for what is not TOML.
toml::table parse_toml(std::string_view text, const std::string& source) {
  check_dots(text, source);
  return toml::parse(text, source);
}

// ---- overrides

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// A table with the one key `value`. What is not TOML is taken as text: --set data.name=mnist.
toml::table parse_value(std::string_view text, const std::string& shown) {
  const std::string source = str("--set ", shown);
  ADJOINT_CHECK(!text.empty() && text.find('\n') == std::string_view::npos, source,
                ": expected a value in one line behind the equals sign");
  try {
    return parse_toml(str("value = ", text), source);
  } catch (const toml::parse_error&) {
    // Brackets and quotes were meant as TOML; let the parser say what is wrong with them.
    if (text.find_first_of("[]{}\"'") != std::string_view::npos) throw;
    return parse_toml(str("value = ", toml_text(std::string(text))), source);
  }
}

/// What lies under `key` of a table or list.
toml::node& step_into(toml::node& node, const std::string& key, const std::string& shown) {
  if (toml::array* list = node.as_array()) {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
    ADJOINT_CHECK(error == std::errc() && end == key.data() + key.size() && index < list->size(),
                  "--set ", shown, ": '", key, "' is not an index into a list of ", list->size());
    return (*list)[index];
  }
  toml::table* table = node.as_table();
  ADJOINT_CHECK(table != nullptr && table->contains(key), "--set ", shown,
                ": the recipe has no table '", key, "' there");
  return *table->get(key);
}

void apply_override(toml::table& root, const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  const std::string_view path = trimmed(std::string_view(assignment).substr(0, equals));
  const std::vector<std::string> keys = split(path, '.');
  ADJOINT_CHECK(
      equals != std::string::npos && keys.size() >= 2 && std::ranges::all_of(keys, is_bare_key),
      "--set ", assignment, ": expected table.key=value, such as optim.lr=1e-3");
  const auto& known = section_names();
  ADJOINT_CHECK(std::ranges::find(known, keys[0]) != known.end(), "--set ", assignment,
                ": a recipe has no table [", keys[0], "]", did_you_mean(keys[0], known));
  if (!root.contains(keys[0])) root.insert(keys[0], toml::table{});
  toml::node* node = &root;
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) node = &step_into(*node, keys[i], assignment);
  toml::table* table = node->as_table();
  ADJOINT_CHECK(table != nullptr, "--set ", assignment, ": '", keys[keys.size() - 2],
                "' is not a table");
  toml::table parsed =
      parse_value(trimmed(std::string_view(assignment).substr(equals + 1)), assignment);
  // A run has a number of epochs or of steps: naming the one takes the other back.
  if (path == "train.steps") table->erase("epochs");
  if (path == "train.epochs") table->erase("steps");
  // Moved, not copied: a copy would forget where it was set.
  parsed.get("value")->visit(
      [&](auto& value) { table->insert_or_assign(keys.back(), std::move(value)); });
}

// ---- tables to options

/// A list of one kind; whole and other numbers together are numbers.
template <class T>
std::optional<OptionValue> list_of(const toml::array& array) {
  std::vector<T> out;
  for (const toml::node& node : array) {
    const bool fits = std::is_same_v<T, double>         ? node.is_number()
                      : std::is_same_v<T, std::int64_t> ? node.is_integer()
                                                        : node.is_string();
    if (!fits) return std::nullopt;
    out.push_back(*node.value<T>());
  }
  return out;
}

OptionValue option_value(const toml::node& node, const std::string& what) {
  if (const auto* value = node.as_boolean()) return value->get();
  if (const auto* value = node.as_integer()) return value->get();
  if (const auto* value = node.as_floating_point()) return value->get();
  if (const auto* value = node.as_string()) return value->get();
  if (const auto* array = node.as_array()) {
    if (auto list = list_of<std::int64_t>(*array)) return *list;
    if (auto list = list_of<double>(*array)) return *list;
    if (auto list = list_of<std::string>(*array)) return *list;
    ADJOINT_FAIL(prefix(node), what, ": expected a list of numbers or of text, got a mixed one");
  }
  ADJOINT_FAIL(prefix(node), what, ": expected a number, text, true, false or a list, got ",
               node.is_table() ? "a table" : "a date or time");
}

/// All but the key `without`.
Options options_of(const toml::table& table, const std::string& owner,
                   std::string_view without = {}) {
  // toml++ sorts by name; people like the order they wrote.
  std::vector<std::pair<std::string, const toml::node*>> entries;
  for (const auto& [key, node] : table) entries.emplace_back(std::string(key.str()), &node);
  std::ranges::stable_sort(entries, [](const auto& a, const auto& b) {
    const auto& left = a.second->source().begin;
    const auto& right = b.second->source().begin;
    return std::pair(left.line, left.column) < std::pair(right.line, right.column);
  });
  constexpr std::size_t kMostKeys = 1000;
  ADJOINT_CHECK(table.size() <= kMostKeys, prefix(table), owner, " has ", table.size(),
                " keys, more than any table of a recipe");
  Options options(owner, place(table.source()));
  for (const auto& [key, node] : entries) {
    if (key == without) continue;
    options.set(key, option_value(*node, str(owner, " ", key)), place(node->source()));
  }
  return options;
}

std::string layer_owner(const toml::table& layer, const std::string& place) {
  if (layer.contains("layers")) return str("block ", place);
  const auto type = layer["type"].value<std::string>();
  return type ? str("layer ", place, " (", *type, ")") : str("layer ", place);
}

/// `within` is the place of the block that they are the layers of: "2.".
std::vector<LayerTable> layers_of(const toml::node& node, const std::string& within = "") {
  const toml::array* list = node.as_array();
  ADJOINT_CHECK(list != nullptr, prefix(node), "[model] layers: expected a list of tables such as ",
                "{type = \"relu\"}");
  std::vector<LayerTable> layers;
  for (const toml::node& layer : *list) {
    const std::string place = str(within, layers.size());
    const toml::table* table = layer.as_table();
    ADJOINT_CHECK(table != nullptr, prefix(layer), "[model] layer ", place,
                  ": expected a table such as {type = \"relu\"}");
    LayerTable& made = layers.emplace_back();
    made.options = options_of(*table, layer_owner(*table, place), "layers");
    if (const toml::node* inner = table->get("layers")) {
      made.block = true;
      made.layers = layers_of(*inner, place + ".");
    }
  }
  return layers;
}

/// [[loss]], a table each.
std::vector<Options> losses_of(const toml::array& list) {
  std::vector<Options> losses;
  for (const toml::node& loss : list) {
    const toml::table* table = loss.as_table();
    ADJOINT_CHECK(table != nullptr, prefix(loss), "[[loss]] ", losses.size(),
                  ": expected a table such as {type = \"mse\"}");
    losses.push_back(options_of(*table, str("[[loss]] ", losses.size())));
  }
  return losses;
}

std::vector<Options> groups_of(const toml::node& node) {
  constexpr const char* kExample = "such as {match = \"*.bias\", weight_decay = 0.0}";
  const toml::array* list = node.as_array();
  ADJOINT_CHECK(list != nullptr, prefix(node), "[optim] groups: expected a list of tables ",
                kExample);
  std::vector<Options> groups;
  for (const toml::node& group : *list) {
    const toml::table* table = group.as_table();
    ADJOINT_CHECK(table != nullptr, prefix(group), "[optim] group ", groups.size(),
                  ": expected a table ", kExample);
    groups.push_back(options_of(*table, str("[optim] group ", groups.size())));
  }
  return groups;
}

toml::table parse_text(std::string_view text, const std::string& name) {
  try {
    return parse_toml(text, name);
  } catch (const toml::parse_error& error) {
    ADJOINT_FAIL(place(error.source()), ": not TOML: ", error.description());
  }
}

void check_sections(const toml::table& root) {
  const auto& known = section_names();
  for (const auto& [key, node] : root) {
    const std::string section(key.str());
    ADJOINT_CHECK(std::ranges::find(known, section) != known.end(), prefix(node),
                  node.is_table() ? "a recipe has no table [" : "a recipe has no key ", section,
                  node.is_table() ? "]" : " outside of tables", did_you_mean(section, known));
    const bool fits = node.is_table() || (section == "loss" && node.is_array());
    ADJOINT_CHECK(fits, prefix(node), section, ": expected a table, [", section, "]",
                  section == "loss" ? ", or several, [[loss]]" : "");
  }
}

// ---- writing

std::string text_of(bool value) { return value ? "true" : "false"; }

std::string text_of(std::int64_t value) { return std::to_string(value); }

std::string text_of(double value) { return number_text(value); }

std::string text_of(const std::string& value) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : value) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code < 0x20 || code == 0x7f) {
      out += "\\u00";
      out += kHex[code / 16];
      out += kHex[code % 16];
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

template <class T>
std::string text_of(const std::vector<T>& values) {
  std::vector<std::string> parts;
  parts.reserve(values.size());
  for (const T& value : values) parts.push_back(text_of(value));
  return str("[", join(parts, ", "), "]");
}

}  // namespace

bool is_bare_key(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

RecipeTables parse_recipe_tables(std::string_view text, const std::string& name,
                                 std::span<const std::string> overrides) {
  toml::table root = parse_text(text, name);
  check_sections(root);
  for (const std::string& assignment : overrides) {
    try {
      apply_override(root, assignment);
    } catch (const toml::parse_error& error) {
      ADJOINT_FAIL(place(error.source()), ": not a value of TOML: ", error.description());
    }
  }
  RecipeTables tables;
  for (const std::string& section : section_names()) {
    if (const toml::array* several = root[section].as_array()) {
      tables.losses = losses_of(*several);
      ADJOINT_CHECK(!tables.losses.empty(), prefix(*several), "[[loss]]: expected at least one");
      tables.sections.emplace(section, tables.losses.front());
      continue;
    }
    toml::table* table = root[section].as_table();
    if (table == nullptr) {
      tables.sections.emplace(section, Options(str("[", section, "]"), name));
      continue;
    }
    if (section == "model" && table->contains("layers")) {
      tables.layers = layers_of(*table->get("layers"));
      table->erase("layers");
    }
    if (section == "optim" && table->contains("groups")) {
      tables.groups = groups_of(*table->get("groups"));
      table->erase("groups");
    }
    tables.sections.emplace(section, options_of(*table, str("[", section, "]")));
  }
  return tables;
}

std::string toml_text(const OptionValue& value) {
  return std::visit([](const auto& held) { return text_of(held); }, value);
}

std::string toml_key(const std::string& key) { return is_bare_key(key) ? key : toml_text(key); }

std::string toml_table(const Options& table) {
  std::string text = table.owner() + "\n";
  for (const Options::Item& item : table.items())
    text += str(toml_key(item.key), " = ", toml_text(item.value), "\n");
  return text;
}

}  // namespace adjoint
