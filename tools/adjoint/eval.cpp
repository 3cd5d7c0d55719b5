// adjoint eval: the model of a run on its test set, by the measures that suit what it predicts.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/data/loader/loader.h"
#include "core/samples/recipe_data.h"
#include "core/train/files/engine_choices.h"
#include "core/train/files/model_file.h"
#include "core/train/files/outline.h"
#include "core/train/files/run_folder.h"
#include "core/train/judging/evaluator.h"
#include "core/train/judging/not_finite.h"
#include "core/train/judging/predictor.h"
#include "core/train/judging/reconstructions.h"
#include "tools/adjoint/commands.h"
#include "tools/adjoint/table.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using nlohmann::json;

// Classes beyond this many get a list of the commonest confusions instead of a matrix.
constexpr std::int64_t kWidestMatrix = 20;
constexpr std::size_t kConfusionsListed = 20;

std::string number(const char* format, double value) {
  return std::isnan(value) ? "-" : formatted(format, value);
}

// ---- of classes

void print_measures(const ClassificationReport& report) {
  const std::int64_t classes = std::ssize(report.classes);
  Table table({"measure", ">value"});
  table.add({"accuracy", number("%.2f %%", 100 * report.accuracy)});
  if (classes > report.top)
    table.add({str("top-", report.top), number("%.2f %%", 100 * report.top_accuracy)});
  table.add({"macro F1", number("%.4f", report.macro_f1)});
  if (report.has_areas)
    table.add({classes == 2 ? "AUC" : "AUC, each class against the rest, mean",
               number("%.4f", report.macro_area)});
  std::fputs(table.text().c_str(), stdout);
  if (report.unordered > 0)
    std::printf("  %lld samples have scores that are no numbers; they count as wrong%s\n",
                static_cast<long long>(report.unordered),
                report.has_areas ? ", and leave no AUC" : "");
  if (!report.has_areas && classes > 1)
    std::printf("  no AUC: the scores of so many samples and classes are not kept\n");
}

void print_classes(const ClassificationReport& report, const std::vector<std::string>& names) {
  Table table({"class", ">samples", ">predicted", ">precision", ">recall", ">F1", ">AUC"});
  for (std::size_t c = 0; c < report.classes.size(); ++c) {
    const ClassReport& of = report.classes[c];
    table.add({class_name(names, std::int64_t(c)), grouped(of.samples), grouped(of.predicted),
               number("%.4f", of.precision), number("%.4f", of.recall), number("%.4f", of.f1),
               number("%.4f", of.area)});
  }
  std::printf("\n%s", table.text().c_str());
}

void print_matrix(const ClassificationReport& report, const std::vector<std::string>& names) {
  const std::int64_t classes = std::ssize(report.classes);
  std::vector<std::string> headings{"label \\ taken for"};
  for (std::int64_t c = 0; c < classes; ++c) headings.push_back(str(">", class_name(names, c)));
  Table table(headings);
  for (std::int64_t label = 0; label < classes; ++label) {
    std::vector<std::string> cells{class_name(names, label)};
    for (std::int64_t taken = 0; taken < classes; ++taken) {
      const std::int64_t count = report.confusion[std::size_t(label * classes + taken)];
      cells.push_back(count == 0 ? "." : grouped(count));
    }
    table.add(cells);
  }
  std::printf("\n%s", table.text().c_str());
}

void print_commonest(const ClassificationReport& report, const std::vector<std::string>& names) {
  const std::int64_t classes = std::ssize(report.classes);
  std::vector<std::int64_t> wrong;
  for (std::int64_t i = 0; i < std::ssize(report.confusion); ++i)
    if (i / classes != i % classes && report.confusion[std::size_t(i)] > 0) wrong.push_back(i);
  std::ranges::stable_sort(wrong, std::greater<>(),
                           [&](std::int64_t i) { return report.confusion[std::size_t(i)]; });
  wrong.resize(std::min(wrong.size(), kConfusionsListed));
  Table table({"label", "taken for", ">times"});
  for (const std::int64_t i : wrong)
    table.add({class_name(names, i / classes), class_name(names, i % classes),
               grouped(report.confusion[std::size_t(i)])});
  std::printf("\nthe commonest confusions of %lld classes\n%s", static_cast<long long>(classes),
              table.text().c_str());
}

void print_confusion(const ClassificationReport& report, const std::vector<std::string>& names) {
  print_classes(report, names);
  if (report.confusion.empty())
    std::printf("\nno confusion matrix: there are too many classes for one\n");
  else if (std::ssize(report.classes) <= kWidestMatrix)
    print_matrix(report, names);
  else
    print_commonest(report, names);
}

// NaN becomes null.
json json_of(const ClassificationReport& report, const std::vector<std::string>& names) {
  json all{{"accuracy", report.accuracy},
           {"top_k", {{"k", report.top}, {"accuracy", report.top_accuracy}}},
           {"macro_f1", report.macro_f1},
           {"auc", report.macro_area},
           {"samples_without_order", report.unordered}};
  const std::size_t classes = report.classes.size();
  for (std::size_t c = 0; c < classes; ++c) {
    const ClassReport& of = report.classes[c];
    all["classes"].push_back({{"class", class_name(names, std::int64_t(c))},
                              {"samples", of.samples},
                              {"predicted", of.predicted},
                              {"right", of.right},
                              {"precision", of.precision},
                              {"recall", of.recall},
                              {"f1", of.f1},
                              {"auc", of.area}});
  }
  for (std::size_t label = 0; label < classes && !report.confusion.empty(); ++label) {
    const auto row = report.confusion.begin() + std::ptrdiff_t(label * classes);
    all["confusion"].push_back(std::vector(row, row + std::ptrdiff_t(classes)));
  }
  return all;
}

// ---- of numbers

std::string output_name(const Recipe& recipe, std::size_t j, std::size_t outputs) {
  if (recipe.data.target.size() == outputs) return recipe.data.target[j];
  return outputs == 1 ? "target" : str("target ", j);
}

void print_errors(const Evaluation& found, const Recipe& recipe) {
  const std::size_t outputs = found.r_squared.size();
  Table table({"predicted", ">MAE", ">RMSE", ">R2"});
  for (std::size_t j = 0; j < outputs; ++j)
    table.add({output_name(recipe, j, outputs), number("%.4g", found.mean_absolute_errors[j]),
               number("%.4g", found.root_mean_squared_errors[j]),
               number("%.4f", found.r_squared[j])});
  std::fputs(table.text().c_str(), stdout);
}

json json_of(const Evaluation& found, const Recipe& recipe) {
  json outputs = json::array();
  const std::size_t count = found.r_squared.size();
  for (std::size_t j = 0; j < count; ++j)
    outputs.push_back({{"name", output_name(recipe, j, count)},
                       {"mae", found.mean_absolute_errors[j]},
                       {"rmse", found.root_mean_squared_errors[j]},
                       {"r2", found.r_squared[j]}});
  return outputs;
}

// Of several losses each, and of what their metrics measured.
void print_further(const Evaluation& found) {
  Table table({"loss or metric of the recipe", ">value"});
  for (const Measure& measure : found.measures)
    table.add({measure.name, number("%.4g", measure.value)});
  std::fputs(table.text().c_str(), stdout);
}

// ---- of questions with two answers, as of bce_with_logits: each output is one, its target 0 or 1

struct BinaryReport {
  double accuracy = 0;  ///< of "the probability is above one half"
  double area = 0;      ///< under the ROC curve
};

// Each output is a probability by itself, not one of a distribution.
bool asks_questions(const Model& model) {
  return model.outputs > 0 && model.loss != nullptr &&
         model.loss->predicts() == Predicted::probability &&
         model.wanted.range.meaning == ValueRange::Meaning::plain;
}

std::vector<BinaryReport> binary_reports(Context& context, const RunFolder& folder,
                                         const Dataset& data) {
  Predictor predictor(context, folder);
  const std::unique_ptr<Loader> loader =
      sample_loader(context, data, predictor.outline(), predictor.statistics(), predictor.batch());
  const std::vector<float> found = predictor.run(*loader);
  const auto outputs = static_cast<std::size_t>(data.outputs);
  std::vector<BinaryReport> reports;
  for (std::size_t j = 0; j < outputs; ++j) {
    std::vector<float> scores;
    std::vector<bool> positive;
    double right = 0;
    for (std::size_t i = j; i < found.size(); i += outputs) {
      scores.push_back(found[i]);
      positive.push_back(data.targets[i] > 0.5f);
      right += positive.back() ? found[i] > 0.5f : found[i] <= 0.5f;
    }
    reports.push_back({right / double(scores.size()), area_under_curve(scores, positive)});
  }
  return reports;
}

void print_binary(const std::vector<BinaryReport>& reports, const Recipe& recipe) {
  Table table({"predicted", ">accuracy", ">AUC"});
  for (std::size_t j = 0; j < reports.size(); ++j)
    table.add({output_name(recipe, j, reports.size()), number("%.2f %%", 100 * reports[j].accuracy),
               number("%.4f", reports[j].area)});
  std::fputs(table.text().c_str(), stdout);
}

json json_of(const std::vector<BinaryReport>& reports, const Recipe& recipe) {
  json outputs = json::array();
  for (std::size_t j = 0; j < reports.size(); ++j)
    outputs.push_back({{"name", output_name(recipe, j, reports.size())},
                       {"accuracy", reports[j].accuracy},
                       {"auc", reports[j].area}});
  return outputs;
}

// ---- all of one evaluation

class EvalRun {
 public:
  explicit EvalRun(const EvalCommand& command)
      : command_(command),
        folder_(RunFolder::open(command.run)),
        recipe_(read_recipe(folder_.recipe())),
        context_({.seed = recipe_.train.seed}) {}

  int run() {
    if (std::filesystem::exists(folder_.engines()))
      restore_engine_choices(folder_.engines(), context_);
    statistics_ = load_statistics(folder_.model());
    recipe_.data.feature_names = trained_features(SafetensorsFile::read(folder_.model()));
    auto data = std::make_shared<const Dataset>(
        load_test_data(recipe_.data, command_.data, statistics_, loss_targets(recipe_)));
    for (const std::string& notice : data->notices)
      std::fprintf(stderr, "note: %s\n", notice.c_str());
    name_ = data->name;
    class_names_ = data->class_names;
    sample_ = data->sample;
    const bool drawn = recipe_.data.task == Task::reconstruction && can_be_drawn(*data);
    ModelOptions options = model_options(*data);
    Loader loader(
        context_, std::move(data),
        {.batch = recipe_.train.batch, .shuffle = false, .pixels = pixel_scale(statistics_)});
    options.batch = loader.batch();
    options.keep_prediction = true;
    model_ = build_model(context_, recipe_, options);
    load_model(folder_.model(), *model_.graph);
    measure(loader);
    // Targets as they are in the file, and so are the features.
    if (asks_questions(model_))
      binary_ = binary_reports(context_, folder_, load_test_data(recipe_.data, command_.data));
    if (command_.json != "-") print();
    if (!command_.json.empty()) write_report(command_.json, report_json());
    if (drawn) draw(loader);
    return 0;
  }

 private:
  void measure(Loader& loader) {
    std::optional<ClassificationCounter> counter;
    if (model_.classes > 0)
      counter.emplace(context_, MetricsOptions{.classes = model_.classes,
                                               .samples = loader.count(),
                                               .ignored_label = model_.ignored_label});
    found_ = Evaluator(model_, loader, statistics_.target, counter ? &*counter : nullptr).run();
    if (counter) classes_ = counter->read();
    if (!std::isfinite(found_.loss) && found_.count > 0) why_ = why_not_finite(model_, loader, 0);
  }

  void print() const {
    std::printf("%s: %s on %lld samples", name_.c_str(), result_text(model_, found_).c_str(),
                static_cast<long long>(found_.count));
    if (model_.classes > 0 || !found_.r_squared.empty()) std::printf(", loss %.4f", found_.loss);
    std::printf("\n");
    if (!why_.empty()) std::printf("the loss is %s: %s\n", kind_of_loss(found_.loss), why_.c_str());
    if (model_.classes > 0) print_measures(classes_);
    if (!binary_.empty())
      print_binary(binary_, recipe_);
    else if (!found_.r_squared.empty())
      print_errors(found_, recipe_);
    if (!found_.measures.empty()) print_further(found_);
    if (!command_.confusion) return;
    if (model_.classes > 0)
      print_confusion(classes_, class_names_);
    else
      std::printf("no confusion matrix: the model predicts no classes\n");
  }

  std::string report_json() const {
    json report{{"run", folder_.path().string()},
                {"data", name_},
                {"samples", found_.count},
                {"loss", found_.loss}};
    if (model_.classes > 0) report["classification"] = json_of(classes_, class_names_);
    if (!binary_.empty())
      report["binary"] = json_of(binary_, recipe_);
    else if (!found_.r_squared.empty())
      report["regression"] = json_of(found_, recipe_);
    for (const Measure& measure : found_.measures) report["measures"][measure.name] = measure.value;
    return report.dump(2, ' ', false, json::error_handler_t::replace);
  }

  void draw(Loader& loader) {
    draw_reconstructions(folder_.reconstructions(), model_, loader, sample_,
                         pixel_scale(statistics_));
    if (command_.json != "-")
      std::printf("inputs and reconstructions: %s\n", folder_.reconstructions().c_str());
  }

  EvalCommand command_;
  RunFolder folder_;
  Recipe recipe_;
  Context context_;
  DataStatistics statistics_;
  std::string name_;
  std::vector<std::string> class_names_;
  Shape sample_;
  Model model_;
  Evaluation found_;
  std::string why_;  // its loss is not finite
  ClassificationReport classes_;
  std::vector<BinaryReport> binary_;
};

}  // namespace

int run_eval(const EvalCommand& command) { return EvalRun(command).run(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
