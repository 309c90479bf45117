#include "demix/train/metrics.h"

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/json.h"
#include "demix/core/progress.h"

namespace demix {

MetricsFile::MetricsFile(std::filesystem::path path, int64_t steps) : path_(std::move(path)) {
  size_t kept_bytes = 0;
  if (steps > 0 && std::filesystem::exists(path_)) {
    const std::string text = read_file(path_);
    int64_t lines = 0;
    while (lines < steps) {
      const size_t end = text.find('\n', kept_bytes);
      if (end == std::string::npos) break;
      kept_bytes = end + 1;
      ++lines;
    }
    if (lines < steps)
      warn(fmt::format("{} holds {} of the {} steps already done; the missing lines are lost.",
                       path_.string(),
                       lines,
                       steps));
  }
  if (std::filesystem::exists(path_)) std::filesystem::resize_file(path_, kept_bytes);
  file_.open(path_, std::ios::app);
  if (!file_) throw Error("{}: cannot be written: {}", path_.string(), std::strerror(errno));
}

void MetricsFile::add(const StepMetrics& m) {
  line(fmt::format(
      R"({{"step":{},"tokens":{},"loss":{},"lr":{},"grad_norm":{},"tokens_per_second":{:.0f}}})",
      m.step,
      m.tokens,
      m.loss,
      m.learning_rate,
      m.gradient_norm,
      m.tokens_per_second));
}

void MetricsFile::add_consumed(int64_t step,
                               const std::vector<std::string>& datasets,
                               const Consumed& consumed) {
  Json entry = {{"step", step}, {"consumed", Json::object()}};
  for (size_t i = 0; i < datasets.size(); ++i)
    entry["consumed"][datasets[i]] = {{"tokens", consumed.tokens[i]},
                                      {"epochs", consumed.epochs[i]}};
  line(entry.dump());
}

void MetricsFile::line(const std::string& text) {
  file_ << text << '\n';
  file_.flush();
  if (!file_) throw Error("{}: cannot be written: {}", path_.string(), std::strerror(errno));
}

}  // namespace demix
