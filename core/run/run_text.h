// What people are told of a run, in lines: the same in the log and on a terminal.
#pragma once

#include <string>
#include <vector>

#include "core/run/metric_sink.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// data, model, device and run, a line each; notices of the data.
std::vector<std::string> opening_lines(const RunFacts& facts);
/// "epoch 3/8  loss 0.0521  accuracy 98.31 %  validation 97.90 %  1.02 s  best", and its notes.
std::vector<std::string> epoch_lines(const RunFacts& facts, const EpochReport& epoch);

/// "accuracy 98.12 %"; of numbers, "R2 0.9512, mean absolute error 1.234"; else "loss 0.0123".
std::string result_text(const Model& model, const Evaluation& found);
/// ", price_loss 0.0123, price_r_squared 0.95": what else was measured; empty for nothing.
std::string measures_text(const Evaluation& found);
/// A number with so many digits behind the point; "-" for what is none.
std::string fixed(double value, int digits);
/// "host, AMD EPYC ..., 2 workers".
std::string device_line();

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
