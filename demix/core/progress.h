// Progress on standard error: a live line with rate and time left on a terminal, plain lines
// otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

struct ProgressPiece;

// One piece of work. Several may be alive at once, from several threads; `add` is cheap and
// thread-safe. Its last line stays on the screen.
class Progress {
 public:
  // `total` in units of `unit` ("tokens", "items"); 0 when unknown.
  Progress(std::string label, int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  void add(int64_t done);
  // Counts work that an earlier run has done: part of the total, but not of the rate.
  void resume_at(int64_t done);
  // A short remark behind the bar, such as "loss 3.21".
  void note(std::string remark);

 private:
  std::shared_ptr<ProgressPiece> piece_;
};

// A plain line on standard error, printed above any live bars.
void say(std::string_view line);
// The same with "warning: " before it, and kept: warnings of a run are gathered for its report.
// They are whole sentences.
void warn(std::string_view line);
// What was warned of so far in this process, in order, each text once.
std::vector<std::string> warnings();

}  // namespace demix
