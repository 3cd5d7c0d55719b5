#include "tools/progress/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/base/text.h"

namespace adjoint {
namespace {

// Of a terminal; 80 where it does not say.
int terminal_columns(std::FILE* file) {
  winsize size{};
  if (::ioctl(::fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool is_utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    return std::strstr(value, "UTF-8") != nullptr || std::strstr(value, "utf8") != nullptr;
  }
  return false;
}

double fraction_done(const ProgressState& state) {
  if (state.steps <= 0) return 0;
  return std::clamp(double(state.step) / double(state.steps), 0.0, 1.0);
}

// The filled part of a bar, in eighths of a character where the terminal has them.
std::string draw_bar(double fraction, int width, bool unicode) {
  static const char* const kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  std::string bar;
  const int eighths = static_cast<int>(fraction * width * 8);
  int drawn = eighths / 8;
  for (int i = 0; i < drawn; ++i) bar += unicode ? "█" : "#";
  if (unicode && eighths % 8 != 0) {
    bar += kEighths[eighths % 8];
    ++drawn;
  }
  bar.append(std::size_t(std::max(0, width - drawn)), unicode ? ' ' : '.');
  return bar;
}

std::string epoch_text(const ProgressState& state) {
  if (state.epochs <= 0) return "";
  return "epoch " + std::to_string(state.epoch) + "/" + std::to_string(state.epochs);
}

// From the most to the least important.
std::vector<std::string> parts(const ProgressState& state) {
  std::vector<std::string> result;
  if (const std::string epoch = epoch_text(state); !epoch.empty()) result.push_back(epoch);
  result.push_back(formatted("loss %.4f", state.loss));
  if (state.accuracy) result.push_back(formatted("accuracy %5.2f %%", 100 * *state.accuracy));
  result.push_back(human_duration(state.seconds_left) + " left");
  result.push_back(human_count(state.samples_per_second) + " samples/s");
  if (state.loss_scale) result.push_back(formatted("loss scale %.9g", *state.loss_scale));
  return result;
}

}  // namespace

std::string human_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "--";
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 60) return formatted("%llds", whole);
  if (whole < 3600) return formatted("%lldm %02llds", whole / 60, whole % 60);
  return formatted("%lldh %02lldm", whole / 3600, whole / 60 % 60);
}

std::string human_count(double count) {
  if (!std::isfinite(count)) return "--";
  const char* const units[] = {"", "k", "M", "G", "T"};
  int unit = 0;
  while (count >= 999.5 && unit < 4) {
    count /= 1000;
    ++unit;
  }
  return formatted(unit == 0 || count >= 99.95 ? "%.0f" : "%.1f", count) + units[unit];
}

std::string progress_line(const ProgressState& state) {
  std::string line = "step " + std::to_string(state.step) + "/" + std::to_string(state.steps);
  for (const std::string& part : parts(state)) line += ", " + part;
  return line;
}

std::string progress_bar(const ProgressState& state, const ProgressStyle& style) {
  const double fraction = fraction_done(state);
  std::string tail = formatted(" %3.0f %%", 100 * fraction);
  constexpr int kNarrowestBar = 8, kWidestBar = 32;
  for (const std::string& part : parts(state)) {
    const std::size_t longer = tail.size() + 2 + part.size();
    if (static_cast<int>(longer) + kNarrowestBar >= style.columns) break;
    tail.append("  ").append(part);
  }
  const int width = std::min(kWidestBar, style.columns - static_cast<int>(tail.size()) - 1);
  if (width < 1) return tail.substr(0, std::size_t(std::max(0, style.columns - 1)));
  const std::string bar = draw_bar(fraction, width, style.unicode);
  return (style.color ? "\x1b[36m" + bar + "\x1b[0m" : bar) + tail;
}

bool is_terminal(std::FILE* file) {
  const char* term = std::getenv("TERM");
  return ::isatty(::fileno(file)) == 1 && term != nullptr && std::strcmp(term, "dumb") != 0;
}

bool wants_color(std::FILE* file) {
  const char* no_color = std::getenv("NO_COLOR");
  return is_terminal(file) && (no_color == nullptr || *no_color == '\0');
}

Progress::Progress(double seconds_between_lines)
    : terminal_(is_terminal(out_)), seconds_between_lines_(seconds_between_lines) {
  style_.color = wants_color(out_);
  style_.unicode = is_utf8_locale();
}

Progress::~Progress() { finish(); }

void Progress::update(const ProgressState& state) {
  const Clock::time_point now = Clock::now();
  const double since = std::chrono::duration<double>(now - last_).count();
  if (last_ != Clock::time_point{} && since < (terminal_ ? 0.1 : seconds_between_lines_)) return;
  // The first plain line comes after the first interval: at the start there is nothing to say.
  const bool first = last_ == Clock::time_point{};
  last_ = now;
  if (!terminal_) {
    if (!first) std::fprintf(out_, "%s\n", progress_line(state).c_str());
    return;
  }
  style_.columns = terminal_columns(out_);
  shown_ = progress_bar(state, style_);
  std::fprintf(out_, "\r\x1b[K%s", shown_.c_str());
  std::fflush(out_);
  drawn_ = true;
}

void Progress::erase() {
  if (drawn_) std::fprintf(out_, "\r\x1b[K");
}

void Progress::print(std::string_view line) {
  erase();
  std::fflush(out_);
  std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
  std::fflush(stdout);
  if (drawn_) std::fprintf(out_, "%s", shown_.c_str());
  std::fflush(out_);
}

void Progress::finish() {
  erase();
  drawn_ = false;
  std::fflush(out_);
}

}  // namespace adjoint
