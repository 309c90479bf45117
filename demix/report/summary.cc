#include "demix/report/summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "demix/report/html.h"
#include "demix/report/trust.h"

namespace demix {
namespace {

constexpr size_t kWarningsShown = 6, kWarningColumns = 110;

std::string mixture_table(const RunResult& result) {
  if (result.mixture.empty()) return "";
  const std::vector<double>& natural = result.natural.mixture;
  std::string text = fmt::format("{:<24}{:>10}", "dataset", "found");
  if (!natural.empty()) text += fmt::format("{:>10}", "natural");
  text += fmt::format("{:>14}\n", "merge weight");
  for (size_t i = 0; i < result.datasets.size(); ++i) {
    text += fmt::format("{:<24}{:>10}", result.datasets[i].name, show_percent(result.mixture[i]));
    if (!natural.empty()) text += fmt::format("{:>10}", show_percent(natural[i]));
    text += fmt::format("{:>14.4f}\n", result.merge_weights[i]);
  }
  return text;
}

// Its first clause, which fits into a line.
std::string beginning(const std::string& warning) {
  const size_t end = std::min(warning.find(": "), warning.find(". "));
  std::string text = warning.substr(0, end);
  if (text.ends_with('.')) text.pop_back();
  if (text.size() <= kWarningColumns) return text;
  const size_t space = text.rfind(' ', kWarningColumns);
  return text.substr(0, space == std::string::npos ? kWarningColumns : space) + " …";
}

std::string warnings_in_short(const std::vector<std::string>& warnings) {
  if (warnings.empty()) return "";
  std::string text =
      warnings.size() == 1
          ? "\none warning; the page says more of it\n"
          : fmt::format("\n{} warnings; the page says more of them\n", warnings.size());
  const size_t shown = warnings.size() <= kWarningsShown + 1 ? warnings.size() : kWarningsShown;
  for (size_t i = 0; i < shown; ++i) text += fmt::format("  {}\n", beginning(warnings[i]));
  if (shown < warnings.size()) text += fmt::format("  and {} more\n", warnings.size() - shown);
  return text;
}

}  // namespace

std::string terminal_summary(const RunResult& result) {
  const std::vector<Verdict> all = verdicts(result);
  std::string text;
  if (const std::string reason = reason_not_to_act(result, all); !reason.empty())
    text += fmt::format("Do not act on this yet: {}.\n\n", reason);
  text += mixture_table(result);
  if (!result.mixture.empty()) {
    text += "\n";
    for (const Verdict& verdict : all)
      text += fmt::format(
          "{:<22}{}\n{:<22}{}\n", mark_of(verdict.kind), verdict.question, "", verdict.brief);
  }
  text += warnings_in_short(result.warnings);
  if (!result.unfinished.empty()) text += fmt::format("\nunfinished: {}\n", result.unfinished);
  return text;
}

}  // namespace demix
