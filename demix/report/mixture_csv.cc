#include "demix/report/mixture_csv.h"

#include <fmt/format.h>

#include <cmath>

namespace demix {
namespace {

std::string csv_field(const std::string& text) {
  const bool padded = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  if (!padded && text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += "'\\'";
    quoted += c;
  }
  return quoted + "'";
}

std::string number(const char* pattern, double value) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(pattern), value) : "";
}

}  // namespace

std::string mixture_csv(const RunResult& result) {
  std::string csv = "dataset,share,merge_weight,tokens,epochs,share_low,share_high\n";
  for (size_t i = 0; i < result.mixture.size(); ++i) {
    const DatasetFacts& dataset = result.datasets[i];
    const double tokens = result.mixture[i] * result.target_tokens;
    const double epochs =
        dataset.available_tokens > 0 ? tokens / dataset.available_tokens : kUnknown;
    const ShareTolerance tolerance =
        result.tolerance.empty() ? ShareTolerance{} : result.tolerance[i];
    csv +=
        fmt::format("{},{},{},{},{},{},{}\n",
                    csv_field(dataset.name),
                    number("{:.6f}", result.mixture[i]),
                    result.merge_weights.empty() ? "" : number("{:.6f}", result.merge_weights[i]),
                    number("{:.0f}", tokens),
                    number("{:.4f}", epochs),
                    number("{:.4f}", tolerance.low),
                    number("{:.4f}", tolerance.high));
  }
  return csv;
}

std::string megatron_blend(const RunResult& result) {
  std::string words;
  for (size_t i = 0; i < result.mixture.size(); ++i) {
    if (!(result.mixture[i] >= 5e-7)) continue;  // would print as zero
    const DatasetFacts& dataset = result.datasets[i];
    words += fmt::format(" {:.6f} {}",
                         result.mixture[i],
                         shell_word(dataset.path.empty() ? dataset.name : dataset.path));
  }
  return words.empty() ? "" : "--data-path" + words;
}

}  // namespace demix
