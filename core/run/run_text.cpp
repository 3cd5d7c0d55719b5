#include "core/run/run_text.h"

#include <cmath>

#include "core/base/text.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// The macro's text: "host" or "cuda".
#define ADJOINT_TEXT(x) #x
#define ADJOINT_TEXT_OF(x) ADJOINT_TEXT(x)
constexpr const char* kBackend = ADJOINT_TEXT_OF(ADJOINT_BACKEND);

std::string percent(double fraction) { return fixed(100 * fraction, 2) + " %"; }
std::string four_digits(double value) { return formatted("%.4g", value); }

}  // namespace

std::string fixed(double value, int digits) {
  return std::isnan(value) ? "-" : formatted("%.*f", digits, value);
}

std::string device_line() {
  const std::vector<DeviceInfo> all = devices();
  if (all.empty()) return kBackend;
  const bool host = std::string(kBackend) == "host";
  return str(kBackend, ", ", all[0].name, ", ", all[0].compute_units,
             host ? " workers" : " multiprocessors");
}

std::vector<std::string> opening_lines(const RunFacts& facts) {
  std::vector<std::string> lines{str("data    ", facts.data)};
  for (const std::string& notice : facts.notices) lines.push_back(str("note    ", notice));
  lines.push_back(str("model   ", facts.name, ", ", facts.parameters, " parameters"));
  lines.push_back(
      str("device  ", device_line(), ", ", human_bytes(facts.memory_bytes), " of memory"));
  lines.push_back(str(
      "run     ", facts.folder.string(),
      facts.resumed ? str(", resumed after ", facts.steps_before, " of ", facts.steps, " updates")
                    : ""));
  return lines;
}

std::vector<std::string> epoch_lines(const RunFacts& facts, const EpochReport& epoch) {
  std::string line =
      str("epoch ", epoch.epoch, "/", facts.epochs, "  loss ", fixed(epoch.train.loss, 4));
  if (facts.classifies) line += str("  accuracy ", percent(epoch.train.accuracy));
  if (epoch.validation)
    line += str("  validation ",
                facts.classifies ? percent(epoch.validation->accuracy)
                                 : result_text(*facts.model, *epoch.validation),
                measures_text(*epoch.validation));
  line += str("  ", fixed(epoch.epoch_seconds, 2), " s");
  if (epoch.skipped > 0) line += str("  ", epoch.skipped, " updates skipped so far");
  if (epoch.judged && epoch.best && epoch.validation) line += "  best";
  if (!epoch.judged) line += "  stopped within the epoch";
  std::vector<std::string> lines{line};
  for (const std::string& note : epoch.notes) lines.push_back(str("  ", note));
  return lines;
}

std::string measures_text(const Evaluation& found) {
  std::string text;
  for (const Measure& measure : found.measures)
    text += str(", ", measure.name, " ", four_digits(measure.value));
  return text;
}

std::string result_text(const Model& model, const Evaluation& found) {
  if (model.classes > 0) return str("accuracy ", percent(found.accuracy));
  if (found.r_squared.empty()) {
    const std::string loss = str("loss ", fixed(found.loss, 4));
    return found.accuracy > 0 ? str(loss, str(", accuracy ", percent(found.accuracy))) : loss;
  }
  double sum = 0;
  std::int64_t measured = 0;  // targets that do not vary have none
  for (const double r_squared : found.r_squared) {
    if (std::isnan(r_squared)) continue;
    sum += r_squared;
    ++measured;
  }
  const std::string text = measured > 0 ? str("R2 ", fixed(sum / double(measured), 4))
                           : std::isfinite(found.mean_absolute_errors[0])
                               ? "no R2, for targets do not vary"
                               : "no R2, for predictions are not finite";
  // Errors of several outputs are in units of their own.
  if (model.outputs > 1) return str(text, " (mean of ", measured, " outputs)");
  return str(text, ", mean absolute error ", four_digits(found.mean_absolute_errors[0]));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
