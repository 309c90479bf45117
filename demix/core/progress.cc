#include "demix/core/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "demix/core/error.h"

namespace demix {

using Clock = std::chrono::steady_clock;

struct ProgressPiece {
  std::string label, unit, remark;
  int64_t total;
  std::atomic<int64_t> done{0};
  int64_t resumed = 0;
  Clock::time_point start = Clock::now();
  // The rate is a mean over about the last kRateWindow_s: work and time, both decaying.
  Clock::time_point measured = start;
  int64_t measured_done = 0;
  double recent_work = 0, recent_s = 0;
  Clock::time_point printed{};  // plain lines only
};

namespace {

constexpr double kRateWindow_s = 15;
constexpr auto kRedrawEvery = std::chrono::milliseconds(100);
constexpr auto kPlainLineEvery = std::chrono::seconds(5);

// 1234567 -> "1.23M"
std::string short_number(double value) {
  for (const auto& [factor, suffix] : {std::pair(1e12, "T"), {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}) {
    if (value >= 0.9995 * factor) return fmt::format("{:.3g}{}", value / factor, suffix);
  }
  return value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

std::string short_time(double seconds) {
  const auto s = static_cast<int64_t>(std::ceil(std::min(seconds, 1e9)));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

// The part of `text` that fits into `columns` terminal columns, as one line.
std::string fitted(std::string_view text, int columns) {
  std::string line;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t character = -1;
    const auto size =
        utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &character);
    if (size <= 0 || character < ' ') {  // invalid or control: must not move the cursor
      i += size <= 0 ? 1 : static_cast<size_t>(size);
      character = '?';
      if (--columns < 0) break;
      line += '?';
      continue;
    }
    columns -= utf8proc_charwidth(character);
    if (columns < 0) break;
    line.append(text.substr(i, static_cast<size_t>(size)));
    i += static_cast<size_t>(size);
  }
  return line;
}

// All lines on standard error pass through here, so that live bars stay at the bottom.
class Display {
 public:
  static Display& instance() {
    static Display* display = new Display;  // never destroyed: threads may outlive main
    return *display;
  }

  void add(std::shared_ptr<ProgressPiece> piece) {
    const std::lock_guard lock(mutex_);
    pieces_.push_back(std::move(piece));
    if (live()) redraw(Clock::now());
  }

  void remove(const std::shared_ptr<ProgressPiece>& piece) {
    const std::lock_guard lock(mutex_);
    std::erase(pieces_, piece);
    print(final_line(*piece));
  }

  void line(std::string_view text) {
    const std::lock_guard lock(mutex_);
    print(text);
  }

  // Called after every step of work; nearly always returns at once.
  void touch() {
    const Clock::time_point now = Clock::now();
    if (now.time_since_epoch().count() < next_look_.load(std::memory_order_relaxed)) return;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return;
    next_look_.store((now + kRedrawEvery).time_since_epoch().count(), std::memory_order_relaxed);
    if (live()) {
      redraw(now);
      return;
    }
    for (const auto& piece : pieces_) {
      const std::string line = running_line(*piece, now);
      if (now - std::max(piece->printed, piece->start) < kPlainLineEvery) continue;
      piece->printed = now;
      print(line);
    }
  }

  void note(ProgressPiece& piece, std::string remark) {
    const std::lock_guard lock(mutex_);
    piece.remark = std::move(remark);
  }

  void resume_at(ProgressPiece& piece, int64_t done) {
    const std::lock_guard lock(mutex_);
    piece.done += done;
    piece.measured_done += done;
    piece.resumed += done;
  }

  // Whether it is new.
  bool keep_warning(std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (std::find(warnings_.begin(), warnings_.end(), text) != warnings_.end()) return false;
    warnings_.emplace_back(text);
    return true;
  }

  std::vector<std::string> warnings() {
    const std::lock_guard lock(mutex_);
    return warnings_;
  }

 private:
  static bool live() {
    const char* terminal = std::getenv("TERM");
    return isatty(STDERR_FILENO) && terminal && std::string_view(terminal) != "dumb";
  }

  static void measure(ProgressPiece& piece, Clock::time_point now) {
    const double elapsed_s = std::chrono::duration<double>(now - piece.measured).count();
    if (elapsed_s <= 0) return;
    const int64_t done = piece.done;
    const double decay = std::exp(-elapsed_s / kRateWindow_s);
    piece.recent_work = piece.recent_work * decay + static_cast<double>(done - piece.measured_done);
    piece.recent_s = piece.recent_s * decay + elapsed_s;
    piece.measured = now;
    piece.measured_done = done;
  }

  // "train base: 1.2M/4M tokens, 30 %, 81k/s, 0:35 left, loss 3.2"
  static std::string running_line(ProgressPiece& piece, Clock::time_point now) {
    measure(piece, now);
    const auto done = static_cast<double>(piece.done);
    const auto total = static_cast<double>(piece.total);
    const double rate = piece.recent_s > 0 ? piece.recent_work / piece.recent_s : 0;
    std::string line = piece.label + ": " + short_number(done);
    if (piece.total > 0) line += "/" + short_number(total);
    line += " " + piece.unit;
    if (piece.total > 0) line += fmt::format(", {:.0f} %", std::min(100.0, 100 * done / total));
    if (rate > 0) line += fmt::format(", {}/s", short_number(rate));
    if (rate > 0 && done < total) {
      line += fmt::format(", {} left", short_time((total - done) / rate));
    }
    if (!piece.remark.empty()) line += ", " + piece.remark;
    return line;
  }

  static std::string final_line(const ProgressPiece& piece) {
    const double elapsed_s = std::chrono::duration<double>(Clock::now() - piece.start).count();
    const int64_t done = piece.done;
    std::string line = fmt::format("{}: {}", piece.label, short_number(static_cast<double>(done)));
    // An exception may end a piece early; then the line says how far it came.
    if (done < piece.total) line += "/" + short_number(static_cast<double>(piece.total));
    line += fmt::format(" {} in {}", piece.unit, short_time(elapsed_s));
    const auto here = static_cast<double>(done - piece.resumed);
    if (here > 0 && elapsed_s >= 0.01)
      line += fmt::format(", {}/s", short_number(here / elapsed_s));
    if (!piece.remark.empty()) line += ", " + piece.remark;
    return line;
  }

  void print(std::string_view text) {
    std::string out = erased();
    out += text;
    out += '\n';
    if (live() && !pieces_.empty()) {
      out += bars(Clock::now());
    }
    write(out);
  }

  void redraw(Clock::time_point now) {
    std::string out = erased();
    out += bars(now);
    write(out);
  }

  // Moves to the first bar and clears from there.
  std::string erased() {
    if (drawn_ == 0) return {};
    const std::string up = drawn_ > 1 ? fmt::format("\x1b[{}A", drawn_ - 1) : "";
    drawn_ = 0;
    return "\r" + up + "\x1b[J";
  }

  // The bars' lines, without a line end behind the last: so the cursor never scrolls the screen.
  std::string bars(Clock::time_point now) {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size = {24, 80, 0, 0};
    const size_t room = std::max<size_t>(size.ws_row, 2) - 1;
    const size_t shown = pieces_.size() <= room ? pieces_.size() : room - 1;
    std::string out;
    for (size_t i = 0; i < shown; ++i) {
      if (i > 0) out += '\n';
      out += fitted(running_line(*pieces_[i], now), size.ws_col - 1);
    }
    drawn_ = shown;
    if (shown < pieces_.size()) {
      if (shown > 0) out += '\n';
      out += fitted(fmt::format("and {} more", pieces_.size() - shown), size.ws_col - 1);
      ++drawn_;
    }
    return out;
  }

  static void write(std::string_view out) {
    std::fwrite(out.data(), 1, out.size(), stderr);
    std::fflush(stderr);
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<ProgressPiece>> pieces_;
  size_t drawn_ = 0;  // lines of bars on the screen
  std::vector<std::string> warnings_;
  std::atomic<Clock::rep> next_look_{0};
};

}  // namespace

Progress::Progress(std::string label, int64_t total, std::string unit)
    : piece_(std::make_shared<ProgressPiece>()) {
  piece_->label = std::move(label);
  piece_->unit = std::move(unit);
  piece_->total = total;
  Display::instance().add(piece_);
}

Progress::~Progress() { Display::instance().remove(piece_); }

void Progress::add(int64_t done) {
  piece_->done.fetch_add(done, std::memory_order_relaxed);
  Display::instance().touch();
}

void Progress::resume_at(int64_t done) { Display::instance().resume_at(*piece_, done); }

void Progress::note(std::string remark) { Display::instance().note(*piece_, std::move(remark)); }

void say(std::string_view line) { Display::instance().line(line); }

void warn(std::string_view line) {
  Display& display = Display::instance();
  if (display.keep_warning(line)) display.line(fmt::format("warning: {}", line));
}

std::vector<std::string> warnings() { return Display::instance().warnings(); }

}  // namespace demix
