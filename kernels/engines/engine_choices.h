// EngineChoices: who does a piece of work that several algorithms can do, a product by cuBLASLt or
// by our tiles. One for each kind of work, a part of the context: it chooses an engine on first
// sight of a form of the work, by timing where that is asked for, keeps what it chose, and takes
// the choices of an earlier run instead, so that a run that goes on computes the same bits.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/device/context.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// One choice made for one problem, for reports and for replay in a later run.
struct EngineChoice {
  std::string problem;  ///< all that matters to an engine: "float32 128x512x784 nt bias_relu saved"
  std::string engine;   ///< "cublaslt", "openblas", "onednn", "tile"
  std::string detail;   ///< the engine's own description of its algorithm; replayed verbatim
  double milliseconds = 0;  ///< measured, when tuned; else 0
};

/// What programs and files see of a kind of work.
class EngineKind {
 public:
  virtual ~EngineKind() = default;

  /// "matmul": its place in a file of choices, and prepare_matmul() chooses without running.
  virtual std::string kind() const = 0;
  /// The engines of this build, preferred first where a form says nothing else.
  virtual std::vector<std::string> names() const = 0;
  /// Names and versions of the libraries behind them: "OpenBLAS 0.3.21 SkylakeX, oneDNN 2.6.3
  /// avx512_core"; empty where all are our own. Loads them; throws Error where that fails.
  virtual std::string library() const = 0;
  /// Choices so far, in the order they were made.
  virtual std::vector<EngineChoice> choices() const = 0;
  /// Fixes choices made earlier (a run folder's file). An engine or detail unknown here throws
  /// Error when its problem is met.
  virtual void restore(const std::vector<EngineChoice>& choices) = 0;
  /// From now on unknown problems are decided by timing every engine on scratch data. Costs time
  /// and memory.
  virtual void set_tuning(bool tune) = 0;
  /// From now on this engine, by name, does all that it can and the last one the rest; choices made
  /// before are made again. Empty lifts that. For tests and comparisons.
  virtual void force_engine(const std::string& engine) = 0;
};

/// Enters a kind of work, by how it is found in a context.
bool register_engine_kind(EngineKind& (*of)(Context&));
/// All kinds of work, as this context has them.
std::vector<EngineKind*> engine_kinds(Context& context);

/// The base of the engines that do work of these forms. A form is plain data that can be compared,
/// with form_name(form), the problem of a choice, and form_hash(form) beside it.
template <class Form>
class Engine {
 public:
  virtual ~Engine() = default;

  virtual std::string name() const = 0;
  /// Name and version of the library behind it, whose details say nothing of another's; empty for
  /// our own. Throws Error where the library cannot be loaded.
  virtual std::string library() const { return {}; }
  /// Whether it comes before all engines that do not say so of work of this form: what was measured
  /// to be fastest, where that depends on the form. By the form and the processor alone.
  virtual bool excels(const Form&) { return false; }
  /// Ways to do work of this form, best first as far as the engine knows without timing; empty if
  /// it cannot. Deterministic. At most `limit` are wanted.
  virtual std::vector<std::string> details(const Form& form, int limit) = 0;
  /// Scratch of a run with this detail. Throws Error if the detail is not one for this form.
  virtual std::size_t workspace_bytes(const Form& form, const std::string& detail) = 0;
};

/// `EngineOf` derives from Engine<Form> and can run.
template <class Form, class EngineOf>
class EngineChoices : public EngineKind {
 public:
  /// A choice with what running it needs.
  struct Decision {
    EngineChoice choice;
    EngineOf* engine = nullptr;
    std::size_t workspace_bytes = 0;
  };

  /// The last engine can do any form, slowly.
  EngineChoices(Context& context, std::string kind,
                std::vector<std::unique_ptr<EngineOf>> preferred_first)
      : context_(context), kind_(std::move(kind)), engines_(std::move(preferred_first)) {}
  EngineChoices(const EngineChoices&) = delete;
  EngineChoices& operator=(const EngineChoices&) = delete;

  /// The decision for this form, made where there is none; throws Error if that would be during a
  /// capture. Stays where it is: queued work may refer to its texts.
  const Decision& find(const Form& form) {
    const auto known = by_form_.find(form);
    if (known != by_form_.end()) return *known->second;
    ADJOINT_CHECK(!context_.stream().capturing(), kind_, ": no engine was chosen for ",
                  form_name(form), " before the capture; call prepare_", kind_, " for it");
    decisions_.push_back(decide(form));
    by_form_[form] = &decisions_.back();
    return decisions_.back();
  }

  std::string kind() const override { return kind_; }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& engine : engines_) names.push_back(engine->name());
    return names;
  }
  std::string library() const override {
    std::vector<std::string> libraries;
    for (const auto& engine : engines_)
      if (const std::string library = engine->library(); !library.empty())
        libraries.push_back(library);
    return join(libraries, ", ");
  }
  std::vector<EngineChoice> choices() const override {
    std::vector<EngineChoice> made;
    for (const Decision& decision : decisions_) made.push_back(decision.choice);
    return made;
  }
  void restore(const std::vector<EngineChoice>& choices) override {
    for (const EngineChoice& choice : choices) restored_[choice.problem] = choice;
  }
  void set_tuning(bool tune) override { tuning_ = tune; }
  void force_engine(const std::string& engine) override {
    if (!engine.empty()) engine_named(engine);
    forced_ = engine;
    by_form_.clear();
  }

 protected:
  Context& context() { return context_; }
  EngineOf& preferred() { return *engines_.front(); }

  /// Work of this form on scratch data, which lives as long as what is returned: puts one run of a
  /// decision on the context's stream.
  virtual std::function<void(const Decision&)> rehearsal(const Form& form) = 0;

 private:
  static constexpr int kCandidates = 8, kTimedRuns = 5;

  struct FormHash {
    std::size_t operator()(const Form& form) const { return form_hash(form); }
  };

  EngineOf& engine_named(const std::string& name) {
    for (const auto& engine : engines_)
      if (engine->name() == name) return *engine;
    ADJOINT_FAIL(kind_, ": there is no engine '", name,
                 "' in this build; known: ", join(names(), ", "));
  }

  std::vector<EngineOf*> best_first(const Form& form) {
    std::vector<EngineOf*> order;
    for (const auto& engine : engines_) order.push_back(engine.get());
    std::ranges::stable_partition(order, [&](EngineOf* engine) { return engine->excels(form); });
    return order;
  }

  Decision decision_of(const Form& form, EngineOf& engine, const std::string& detail,
                       double milliseconds) {
    return {.choice = {form_name(form), engine.name(), detail, milliseconds},
            .engine = &engine,
            .workspace_bytes = engine.workspace_bytes(form, detail)};
  }

  // The ways to do it, preferred first, each library's best ones. A forced engine that has none
  // leaves it to the last.
  std::vector<Decision> candidates(const Form& form, int limit) {
    const int share = std::max(1, limit / std::max(1, int(engines_.size()) - 1));
    std::vector<Decision> found;
    const auto add = [&](EngineOf& engine, int most) {
      most = std::min(most, limit - int(found.size()));
      if (most <= 0) return;
      for (const std::string& detail : engine.details(form, most))
        found.push_back(decision_of(form, engine, detail, 0));
    };
    for (EngineOf* engine : best_first(form))
      if (forced_.empty() || engine->name() == forced_)
        add(*engine, forced_.empty() ? share : limit);
    if (found.empty()) add(*engines_.back(), limit);
    ADJOINT_CHECK(!found.empty(), kind_, ": no engine can do ", form_name(form));
    return found;
  }

  Decision decide(const Form& form) {
    const auto stored = restored_.find(form_name(form));
    if (stored != restored_.end() && forced_.empty()) {
      const EngineChoice& choice = stored->second;
      return decision_of(form, engine_named(choice.engine), choice.detail, choice.milliseconds);
    }
    return tuning_ ? fastest(form) : candidates(form, 1).front();
  }

  Decision fastest(const Form& form) {
    std::vector<Decision> found = candidates(form, kCandidates);
    const std::function<void(const Decision&)> run = rehearsal(form);
    for (Decision& decision : found) decision.choice.milliseconds = median_time(run, decision);
    context_.stream().synchronize();
    return *std::ranges::min_element(
        found, {}, [](const Decision& decision) { return decision.choice.milliseconds; });
  }

  double median_time(const std::function<void(const Decision&)>& run, const Decision& decision) {
    Stream& stream = context_.stream();
    std::vector<double> times;
    for (int i = -1; i < kTimedRuns; ++i) {  // the first, untimed, warms up
      Event begin, end;
      begin.record(stream);
      run(decision);
      end.record(stream);
      end.synchronize();
      if (i >= 0) times.push_back(elapsed_milliseconds(begin, end));
    }
    std::ranges::sort(times);
    return times[times.size() / 2];
  }

  Context& context_;
  std::string kind_;
  std::vector<std::unique_ptr<EngineOf>> engines_;
  std::deque<Decision> decisions_;  // whose places do not change
  std::unordered_map<Form, const Decision*, FormHash> by_form_;
  std::map<std::string, EngineChoice> restored_;
  std::string forced_;
  bool tuning_ = false;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
