// What is known of a result without any reference: benchmarks in the training text, the gauge, and
// the components' length.
#include <algorithm>

#include "demix/core/error.h"
#include "demix/report/html.h"
#include "demix/report/verdicts.h"
#include "demix/report/words.h"
#include "demix/validate/gauge.h"
#include "demix/validate/length_gauge.h"
#include "demix/validate/own_data.h"

namespace demix {
namespace {

using Kind = Verdict::Kind;

// Share of a task's items from which a mixture with that text is not to be acted on.
constexpr double kTooMuchSeen = 0.1;
constexpr size_t kNamedTasks = 4;

// What a dataset with a share in the mixture holds of the benchmarks.
struct Holding {
  size_t dataset = 0;
  double largest = 0;              // of a task's items
  std::vector<std::string> tasks;  // "quiz (2 of 40 items)", most first
};

std::vector<Holding> holdings(const RunResult& result) {
  std::vector<Holding> all;
  for (size_t k = 0; k < result.mixture.size(); ++k) {
    if (!has_share(result.mixture[k])) continue;
    std::vector<const OverlapFacts*> much;
    for (const OverlapFacts& facts : result.overlaps)
      if (!facts.seen.empty() && is_much(facts.seen[k], facts.judged)) much.push_back(&facts);
    if (much.empty()) continue;
    const auto part = [&](const OverlapFacts& facts) {
      return static_cast<double>(facts.seen[k]) / static_cast<double>(facts.judged);
    };
    std::stable_sort(much.begin(), much.end(), [&](const OverlapFacts* a, const OverlapFacts* b) {
      return part(*a) > part(*b);
    });
    Holding& holding = all.emplace_back(Holding{k, part(*much.front()), {}});
    for (const OverlapFacts* facts : much)
      holding.tasks.push_back(
          fmt::format("{} ({} of {} items)", facts->task, facts->seen[k], facts->judged));
  }
  std::stable_sort(all.begin(), all.end(), [&](const Holding& a, const Holding& b) {
    return result.mixture[a.dataset] > result.mixture[b.dataset];
  });
  return all;
}

// "Merging breaks: merged models score …" as a clause, "merging breaks"; a name that comes first
// stays as it is.
std::string clause_of(const RunResult& result, const std::string& sentences) {
  std::string clause = sentences.substr(0, std::min(sentences.find(". "), sentences.find(": ")));
  if (clause.ends_with('.')) clause.pop_back();
  const bool named = std::any_of(result.datasets.begin(),
                                 result.datasets.end(),
                                 [&](const DatasetFacts& d) { return clause.starts_with(d.name); });
  if (!named && !clause.empty() && clause[0] >= 'A' && clause[0] <= 'Z')
    clause[0] = static_cast<char>(clause[0] - 'A' + 'a');
  return clause;
}

// "general 0.88, chat none"
std::string gauges_by_domain(const RunResult& result) {
  std::vector<std::string> domains;
  for (size_t d = 0; d < result.gauge.domains.size(); ++d) {
    const double value = result.gauge.domains[d];
    domains.push_back(fmt::format(
        "{} {}", result.domains[d].name, std::isfinite(value) ? show(value, 2) : "none"));
  }
  return fmt::format("{}", fmt::join(domains, ", "));
}

std::vector<std::string> components_that_failed(const RunResult& result) {
  std::vector<std::string> names;
  for (size_t k = 0; k < result.own_data.components.size(); ++k)
    if (failed(own_data_named(result.own_data.components[k].reading)))
      names.push_back(result.datasets[k].name);
  return names;
}

// Whether no component is better on its own dataset than others are.
bool none_is_told_apart(const RunResult& result) {
  bool checked = false;
  for (const auto& component : result.own_data.components) {
    const OwnData reading = own_data_named(component.reading);
    if (reading != OwnData::kUnchecked && reading != OwnData::kAlike) return false;
    checked |= reading == OwnData::kAlike;
  }
  return checked;
}

// Domains in which the search's proxies all score the same.
std::vector<std::string> domains_alike(const RunResult& result) {
  std::vector<std::string> alike;
  for (size_t d = 0; d < result.domains.size(); ++d) {
    const double first =
        result.search.empty() ? kUnknown : score_at(result.search[0].domains, d).value;
    if (std::isfinite(first) &&
        std::all_of(result.search.begin(), result.search.end(), [&](const SearchedProxy& proxy) {
          return score_at(proxy.domains, d).value == first;
        }))
      alike.push_back(result.domains[d].name);
  }
  return alike;
}

}  // namespace

std::optional<Verdict> memory_verdict(const RunResult& result) {
  const std::vector<Holding> all = holdings(result);
  if (all.empty()) return std::nullopt;
  Verdict verdict{.kind = Kind::kPartly,
                  .question = "Are the benchmarks kept out of the training text?"};
  double share = 0, largest = 0;
  std::vector<std::string> names, sentences;
  for (const Holding& holding : all) {
    const std::string& name = result.datasets[holding.dataset].name;
    share += result.mixture[holding.dataset];
    largest = std::max(largest, holding.largest);
    names.push_back(name);
    sentences.push_back(fmt::format("{}, {} of the mixture, holds text of {}",
                                    name,
                                    show_percent(result.mixture[holding.dataset]),
                                    in_prose(holding.tasks, kNamedTasks)));
  }
  verdict.answer = fmt::format(
      "{}. What is scored on these may be memory: of components, proxies and references alike, so "
      "that no other answer here rules it out. Take the items out of the text, or the tasks "
      "out of evaluate.",
      fmt::join(sentences, "; "));
  const Holding& first = all.front();
  verdict.brief = fmt::format("{}, {} of the mixture, holds text of {}{}",
                              names.front(),
                              show_percent(result.mixture[first.dataset]),
                              in_prose(first.tasks, 1),
                              all.size() == 1 ? "" : "; so do others");
  if (largest >= kTooMuchSeen) {
    verdict.kind = Kind::kNo;
    verdict.objection = fmt::format("{} of the mixture is {}, which hold{} text of the benchmarks",
                                    show_percent(share),
                                    in_prose(names, kNamedTasks),
                                    names.size() == 1 ? "s" : "");
  }
  return verdict;
}

Verdict gauge_verdict(const RunResult& result) {
  const GaugeFacts& gauge = result.gauge;
  Verdict verdict{.question = "Before any reference was trained, was there reason to trust them?"};
  const bool known = std::isfinite(gauge.value);
  const std::string value =
      fmt::format("{} of 1 ({})", show(gauge.value, 2), gauges_by_domain(result));
  // Estimates share their components' errors, so that the gauge, which compares estimates, is blind
  // to them.
  if (const auto failed = components_that_failed(result); !failed.empty()) {
    verdict.kind = Kind::kNo;
    const bool one = failed.size() == 1;
    verdict.brief =
        fmt::format("the component{} of {} {}",
                    one ? "" : "s",
                    in_prose(failed),
                    one ? "has not learned its dataset" : "have not learned their datasets");
    verdict.objection = verdict.brief;
    verdict.answer = fmt::format(
        "By held-out text {}: others, or the base, are better on it, and every estimate is made of "
        "the components.",
        verdict.brief);
    if (known)
      verdict.answer += fmt::format(
          " The gauge, which cannot see errors that all estimates share, stands at {}.", value);
    return verdict;
  }
  if (gauge.broken) {
    verdict.kind = Kind::kNo;
    verdict.answer = gauge.verdict;
    if (known)
      verdict.answer += fmt::format(
          " The gauge, which sees only in which order the proxies rank mixtures, stands at {}.",
          value);
    verdict.objection = clause_of(result, gauge.verdict);
    verdict.brief = verdict.objection;
    return verdict;
  }
  const std::vector<std::string> alike = domains_alike(result);
  if (!known) {
    const bool ties = !alike.empty();
    verdict.kind = ties ? Kind::kNotComputable : Kind::kNotKnownYet;
    verdict.brief = ties                    ? "all proxies score alike in " + in_prose(alike)
                    : result.search.empty() ? "no proxy has been scored yet"
                                            : "too few proxies";
    verdict.answer = ties ? fmt::format("There is no gauge: {}.", verdict.brief)
                     : gauge.verdict.empty()
                         ? fmt::format("There is no gauge yet: {}.", verdict.brief)
                         : gauge.verdict;
    return verdict;
  }
  const double limit = gauge_limit(result.proxies == "merged");
  std::vector<std::string> weak;
  for (size_t d = 0; d < gauge.domains.size(); ++d)
    if (gauge.domains[d] < limit)
      weak.push_back(fmt::format("{} ({})", result.domains[d].name, show(gauge.domains[d], 2)));
  const bool whole = std::none_of(
      gauge.domains.begin(), gauge.domains.end(), [](double d) { return std::isnan(d); });
  verdict.answer = fmt::format("The gauge stands at {}. {}", value, gauge.verdict);
  verdict.brief = "gauge " + value;
  verdict.kind = gauge.value >= kGaugeGood && whole ? Kind::kYes : Kind::kPartly;
  if (!weak.empty() || gauge.value < limit) {
    verdict.kind = Kind::kNo;
    verdict.objection = fmt::format("the proxies' gauge is below {} {}",
                                    limit,
                                    weak.empty() ? "on average" : "in " + in_prose(weak));
  }
  if (none_is_told_apart(result)) {
    if (verdict.kind == Kind::kYes) verdict.kind = Kind::kPartly;
    verdict.answer +=
        " But no component is better than the others on held-out text of its own dataset: the "
        "datasets say the same, or were read too little, and which of them a mixture takes is "
        "chance.";
    verdict.brief += "; the components cannot be told apart";
  }
  if (!whole && !alike.empty())
    verdict.answer +=
        fmt::format(" All proxies score alike in {}, which has none.", in_prose(alike));
  return verdict;
}

std::optional<Verdict> length_verdict(const RunResult& result) {
  const LengthFacts& length = result.length;
  if (length.verdict.empty()) return std::nullopt;
  Verdict verdict{.kind = length.value < kLengthGood ? Kind::kPartly : Kind::kNoEvidence,
                  .question = "Were the components trained long enough?",
                  .answer = length.verdict,
                  .brief = clause_of(result, length.verdict)};
  if (std::isfinite(length.value)) verdict.brief += fmt::format(" ({})", show(length.value, 2));
  return verdict;
}

}  // namespace demix
