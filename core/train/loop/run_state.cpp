#include "core/train/loop/run_state.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "core/base/error.h"

namespace adjoint {
namespace {

constexpr const char* kPrefix = "run.";
constexpr const char* kRowSums = "row_sums.";

template <class Sums, class Visit>
void visit_sums(const std::string& prefix, Sums& sums, const Visit& visit) {
  visit(prefix + "loss", sums.loss);
  visit(prefix + "valid", sums.valid);
  visit(prefix + "correct", sums.correct);
  visit(prefix + "samples", sums.samples);
  visit(prefix + "updates", sums.updates);
  visit(prefix + "skipped", sums.skipped);
}

// Calls visit(name, field) for every field of a RunState or a const one.
template <class State, class Visit>
void visit_fields(State& state, const Visit& visit) {
  visit("samples", state.samples);
  visit("batch", state.batch);
  visit("accumulate", state.accumulate);
  visit("seed", state.seed);
  visit("epoch", state.epoch);
  visit("batches", state.batches);
  visit("step", state.step);
  visit("skipped", state.skipped);
  visit("seconds", state.seconds);
  visit_sums("sums.", state.sums, visit);
  visit("best_epoch", state.best_epoch);
}

template <class Score, class Visit>
void visit_score(Score& score, const Visit& visit) {
  visit("best.loss", score.loss);
  visit("best.accuracy", score.accuracy);
}

// The shortest text that reads back as the same number.
template <class Number>
std::string text_of(Number number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), number).ptr};
}

void check_range(const RunState& state, const std::string& file) {
  ADJOINT_CHECK(state.samples >= 1 && state.batch >= 1 && state.accumulate >= 1 &&
                    state.epoch >= 1 && state.batches >= 0 && state.step >= 0 &&
                    state.skipped >= 0 && state.seconds >= 0 && state.sums.updates >= 0 &&
                    state.sums.skipped >= 0 && state.best_epoch >= 0,
                file, ": the place where its run stood is out of range: epoch ", state.epoch,
                ", batch ", state.batches, ", step ", state.step, "; the file is damaged");
}

}  // namespace

EpochSums& EpochSums::operator+=(const EpochSums& other) {
  loss += other.loss;
  valid += other.valid;
  correct += other.correct;
  samples += other.samples;
  updates += other.updates;
  skipped += other.skipped;
  return *this;
}

void add_metadata(SafetensorsMetadata& metadata, const RunState& state) {
  const auto add = [&](const std::string& name, const auto& field) {
    metadata[str(kPrefix, name)] = text_of(field);
  };
  visit_fields(state, add);
  visit_sums(kRowSums, state.row_sums, add);
  if (state.best) visit_score(*state.best, add);
}

RunState read_run_state(const SafetensorsMetadata& metadata, const std::string& file) {
  RunState state;
  const auto read = [&]<class Number>(const std::string& name, Number& field) {
    const auto found = metadata.find(str(kPrefix, name));
    ADJOINT_CHECK(found != metadata.end(), file, ": its metadata lack ", kPrefix, name,
                  "; expected the last.safetensors of a run");
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), field);
    ADJOINT_CHECK(error == std::errc() && end == text.data() + text.size(), file, ": ", kPrefix,
                  name, ": expected a number, got '", text, "'");
  };
  visit_fields(state, read);
  // Absent where a run was saved before rows had sums of their own.
  if (metadata.contains(str(kPrefix, kRowSums, "loss"))) visit_sums(kRowSums, state.row_sums, read);
  if (metadata.contains(str(kPrefix, "best.loss"))) visit_score(state.best.emplace(), read);
  check_range(state, file);
  return state;
}

}  // namespace adjoint
