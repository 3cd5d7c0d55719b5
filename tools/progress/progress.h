// The progress of a training run: one line that redraws itself on a terminal, plain lines now and
// then in a pipe. What it draws is made by functions of plain values, which tests check.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace adjoint {

struct ProgressState {
  std::int64_t epoch = 0;  ///< from 1; 0 where there is only one pass
  std::int64_t epochs = 0;
  std::int64_t step = 0;                  ///< done, over all epochs
  std::int64_t steps = 0;                 ///< in all
  double loss = 0;                        ///< of training, smoothed
  std::optional<double> accuracy = {};    ///< likewise, in [0, 1]; of classifiers
  std::optional<double> loss_scale = {};  ///< where there is one
  double samples_per_second = 0;
  double seconds_left = 0;
};

/// "2m 05s", "1h 02m", "8s", and "--" for what is not finite.
std::string human_duration(double seconds);
/// 12345.6 -> "12.3k", 987 -> "987", 2.5e9 -> "2.5G".
std::string human_count(double count);

/// One line of at most `columns` characters: a bar, then epoch, loss, accuracy, time left,
/// samples/s, loss scale; what does not fit is left out from the bar on. `unicode` draws eighths of
/// a character.
struct ProgressStyle {
  int columns = 80;
  bool color = false;
  bool unicode = true;
};
std::string progress_bar(const ProgressState& state, const ProgressStyle& style);
/// The same without a bar, for logs and pipes.
std::string progress_line(const ProgressState& state);

/// Draws on standard error, which leaves standard output to results. A bar if that is a terminal
/// (and TERM is not "dumb"), coloured unless NO_COLOR is set (no-color.org), else a plain line
/// every `seconds_between_lines`.
class Progress {
 public:
  explicit Progress(double seconds_between_lines = 5.0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// At most ten times a second is anything drawn, so it may be called at every step.
  void update(const ProgressState& state);
  /// A line on standard output, above the bar.
  void print(std::string_view line);
  /// Removes the bar.
  void finish();

  bool terminal() const { return terminal_; }

 private:
  using Clock = std::chrono::steady_clock;

  void erase();

  std::FILE* out_ = stderr;
  bool terminal_ = false;
  bool drawn_ = false;
  ProgressStyle style_;
  std::string shown_;
  double seconds_between_lines_;
  Clock::time_point last_{};
};

/// Whether `file` is a terminal that understands escape sequences, and whether to use colours.
bool is_terminal(std::FILE* file);
bool wants_color(std::FILE* file);

}  // namespace adjoint
