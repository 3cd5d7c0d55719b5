// adjoint predict: what the model of a run makes of files of one's own. A file that cannot be read
// is told of at the end, beside the results of the others.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/data/loader/loader.h"
#include "core/data/readers/sample_files.h"
#include "core/samples/recipe_data.h"
#include "core/train/judging/predictor.h"
#include "core/train/judging/reconstructions.h"
#include "tools/adjoint/commands.h"
#include "tools/adjoint/table.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using nlohmann::json;

std::string percent(double p) {
  return std::isnan(p) ? std::string("-") : formatted("%.2f %%", 100 * p);
}

class PredictRun {
 public:
  explicit PredictRun(const PredictCommand& command)
      : command_(command),
        folder_(RunFolder::open(command.run)),
        context_(),
        predictor_(context_, folder_),
        table_(headings()) {}

  int run() {
    for (const std::string& file : command_.files) {
      try {
        predict(file);
      } catch (const Error& error) {
        failures_.emplace_back(file, error.message());
      }
    }
    if (command_.json != "-" && !rows_.empty()) std::fputs(table_.text(0).c_str(), stdout);
    if (!command_.json.empty()) write_report(command_.json, report_json());
    if (!inputs_.empty()) draw();
    std::fflush(stdout);
    for (const auto& [file, message] : failures_)
      std::fprintf(stderr, "error: %s\n", message.c_str());
    if (!failures_.empty() && command_.files.size() > 1)
      std::fprintf(stderr, "%zu of %zu files could not be read\n", failures_.size(),
                   command_.files.size());
    return failures_.empty() ? 0 : 1;
  }

 private:
  const Dataset& outline() const { return predictor_.outline(); }
  bool classifies() const { return outline().classes > 0; }
  bool reconstructs() const { return !classifies() && outline().outputs == 0; }

  std::string output_name(std::int64_t j) const {
    const std::vector<std::string>& targets = predictor_.recipe().data.target;
    if (std::ssize(targets) == outline().outputs) return targets[std::size_t(j)];
    return outline().outputs == 1 ? "value" : str("value ", j);
  }

  std::vector<std::string> headings() const {
    std::vector<std::string> all{"file", ">row"};
    if (classifies()) {
      all.insert(all.end(), {"class", ">probability"});
      if (command_.top > 1)
        all.push_back(
            str("the likeliest ", std::min<std::int64_t>(command_.top, outline().classes)));
    }
    for (std::int64_t j = 0; j < outline().outputs; ++j) all.push_back(str(">", output_name(j)));
    if (reconstructs()) all.emplace_back(">mean squared error");
    return all;
  }

  void predict(const std::string& file) {
    const Dataset samples =
        read_samples(file, outline(), predictor_.recipe().data, {.invert = command_.invert});
    const std::unique_ptr<Loader> loader =
        sample_loader(context_, samples, outline(), predictor_.statistics(), predictor_.batch());
    const std::vector<double> numbers = predictor_.numbers(*loader);
    const std::vector<float> values(numbers.begin(), numbers.end());
    const auto width = static_cast<std::size_t>(predictor_.width());
    for (std::int64_t row = 0; row < samples.count; ++row) {
      const std::size_t first = static_cast<std::size_t>(row) * width;
      const auto of = std::span(values).subspan(first, width);
      std::vector<std::string> cells{file, std::to_string(row)};
      json result{{"file", file}, {"row", row}};
      if (classifies())
        add_classes(of, cells, result);
      else if (reconstructs())
        add_error(samples, row, of, cells, result);
      else
        add_numbers(std::span(numbers).subspan(first, width), cells, result);
      table_.add(std::move(cells));
      rows_.push_back(std::move(result));
    }
  }

  void add_classes(std::span<const float> scores, std::vector<std::string>& cells, json& result) {
    const std::vector<double> p = probabilities(scores);
    const auto name = [&](std::int32_t c) { return class_name(outline().class_names, c); };
    std::string likeliest;
    json top = json::array();
    for (const std::int32_t c : best_classes(p, command_.top)) {
      const double of = p[std::size_t(c)];
      likeliest += str(likeliest.empty() ? "" : ", ", name(c), " ", percent(of));
      top.push_back({{"class", name(c)}, {"probability", of}});
    }
    const std::int32_t best = best_classes(p, 1)[0];
    const bool known = !std::isnan(p[std::size_t(best)]);
    cells.push_back(known ? name(best) : "none: scores are no numbers");
    cells.push_back(percent(p[std::size_t(best)]));
    if (command_.top > 1) cells.push_back(likeliest);
    result["class"] = known ? json(name(best)) : json();
    result["probability"] = p[std::size_t(best)];
    result["top"] = std::move(top);
  }

  // Six digits of what is predicted, and as many more as all targets have in common.
  int digits(std::size_t j) const {
    const Normalisation& by = predictor_.statistics().target;
    if (by.mean.empty()) return 6;
    const double common = std::log10(std::max(1.0, std::abs(by.mean[j]) / by.deviation[j]));
    return std::min(6 + static_cast<int>(common), 17);
  }

  void add_numbers(std::span<const double> values, std::vector<std::string>& cells,
                   json& result) const {
    for (std::size_t j = 0; j < values.size(); ++j) {
      cells.push_back(formatted("%.*g", digits(j), values[j]));
      result["values"][output_name(std::int64_t(j))] = values[j];
    }
  }

  void add_error(const Dataset& samples, std::int64_t row, std::span<const float> made,
                 std::vector<std::string>& cells, json& result) {
    const std::vector<float> input = model_input(samples, row, predictor_.statistics());
    double sum = 0;
    for (std::size_t i = 0; i < made.size(); ++i)
      sum += (double(made[i]) - input[i]) * (double(made[i]) - input[i]);
    const double error = sum / double(made.size());
    cells.push_back(formatted("%.4f", error));
    result["mean_squared_error"] = error;
    const auto shown = static_cast<std::size_t>(kReconstructionsShown * outline().sample_size());
    if (!can_be_drawn(outline()) || inputs_.size() >= shown) return;
    inputs_.insert(inputs_.end(), input.begin(), input.end());
    outputs_.insert(outputs_.end(), made.begin(), made.end());
  }

  void draw() const {
    write_png(folder_.reconstructions(),
              reconstruction_picture(outline().sample, pixel_scale(predictor_.statistics()),
                                     inputs_, outputs_));
    if (command_.json != "-")
      std::printf("inputs and reconstructions: %s\n", folder_.reconstructions().c_str());
  }

  std::string report_json() const {
    json failures = json::array();
    for (const auto& [file, message] : failures_)
      failures.push_back({{"file", file}, {"message", message}});
    const json report{
        {"run", folder_.path().string()}, {"predictions", rows_}, {"errors", failures}};
    return report.dump(2, ' ', false, json::error_handler_t::replace);
  }

  PredictCommand command_;
  RunFolder folder_;
  Context context_;
  Predictor predictor_;
  Table table_;
  json rows_ = json::array();
  std::vector<std::pair<std::string, std::string>> failures_;
  std::vector<float> inputs_, outputs_;  // to be drawn
};

}  // namespace

int run_predict(const PredictCommand& command) { return PredictRun(command).run(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
