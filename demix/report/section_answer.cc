#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "demix/report/charts.h"
#include "demix/report/search_tables.h"
#include "demix/report/sections.h"
#include "demix/report/trust.h"

namespace demix {
namespace {

constexpr size_t kNamed = 4;  // datasets named in the sentence
constexpr size_t kWarningsShown = 3;

// "Train on 59 % prose, 15 % code … and 3 more; nothing of ocr_noise."
Html mixture_sentence(const RunResult& r, const char* begin) {
  if (r.mixture.empty()) return html("No mixture has been found yet.");
  std::vector<size_t> order(r.mixture.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto share = [&](size_t i) { return std::isfinite(r.mixture[i]) ? r.mixture[i] : 0.0; };
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return share(a) > share(b); });

  size_t used = 0;
  while (used < order.size() && has_share(share(order[used]))) ++used;
  const size_t named = used <= kNamed + 1 ? used : kNamed;
  Html sentence;
  for (size_t i = 0; i < named; ++i) {
    const bool last = i + 1 == named && used == named;
    sentence += html("{}<b>{}</b>&nbsp;{}",
                     i == 0 ? ""
                     : last ? " and "
                            : ", ",
                     show_percent(share(order[i])),
                     r.datasets[order[i]].name);
  }
  if (used > named) sentence += html(" and {} more", used - named);
  if (used == order.size()) return html("{} {}.", begin, sentence);
  const size_t unused = order.size() - used;
  if (unused > 2) return html("{} {}; nothing of the other {}.", begin, sentence, unused);
  sentence += html("; nothing of {}", r.datasets[order[used]].name);
  if (unused == 2) sentence += html(" and {}", r.datasets[order[used + 1]].name);
  return html("{} {}.", begin, sentence);
}

const char* class_of(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::kYes:
      return "yes";
    case Verdict::Kind::kPartly:
    case Verdict::Kind::kBetterThanChance:
      return "partly";
    case Verdict::Kind::kNo:
      return "no";
    case Verdict::Kind::kNoEvidence:
      return "none";
    case Verdict::Kind::kNotKnownYet:
    case Verdict::Kind::kNotComputable:
      return "pending";
  }
  return "";
}

Html trust_list(const std::vector<Verdict>& verdicts) {
  Html items;
  for (const Verdict& v : verdicts) {
    items += html(R"(<li><span class="verdict {}">{}</span><div><b>{}</b><p>{}</p></div></li>)",
                  class_of(v.kind),
                  mark_of(v.kind),
                  v.question,
                  v.answer);
  }
  return html(R"(<h3 id="trust">How far to trust it</h3><ul class="verdicts">{}</ul>)", items);
}

Html warning_list(std::span<const std::string> warnings) {
  Html items;
  for (const std::string& warning : warnings) items += html("<li>{}</li>", warning);
  return html("<ul>{}</ul>", items);
}

// All of few, the first of many; the rest is folded away.
Html warnings_box(const RunResult& r) {
  if (r.warnings.empty()) return {};
  const std::span<const std::string> all = r.warnings;
  const size_t shown = all.size() <= kWarningsShown + 1 ? all.size() : kWarningsShown;
  Html body = warning_list(all.first(shown));
  if (shown < all.size())
    body += html(R"(<details><summary>{} more</summary>{}</details>)",
                 all.size() - shown,
                 warning_list(all.subspan(shown)));
  return html(R"(<aside class="warnings" id="warnings"><h3>{}</h3>{}</aside>)",
              all.size() == 1 ? "One warning" : fmt::format("{} warnings", all.size()),
              body);
}

// The mixture, and first of all why not to act on it, where there is a reason.
Html headline(const RunResult& r, const std::vector<Verdict>& verdicts) {
  const std::string reason = reason_not_to_act(r, verdicts);
  return html(
      R"(<p class="answer">{}{}</p>)",
      reason.empty()
          ? Html{}
          : html(R"(<strong class="objection">Do not act on this yet: {}.</strong> )", reason),
      mixture_sentence(r, reason.empty() ? "Train on" : "What was found is"));
}

}  // namespace

Html answer_section(const RunResult& r) {
  const std::vector<Verdict> all = verdicts(r);
  Html body = headline(r, all);
  body += warnings_box(r);
  body += mixture_chart(r);
  for (const MixtureFacts* facts : {&r.natural, &r.uniform, &r.flattened, &r.current, &r.found}) {
    if (!facts->note.empty())
      body += html(R"(<p class="note">{}: {}</p>)", facts->name, facts->note);
  }
  body += trust_list(all);
  body += tolerance_table(r);
  return section("mixture", "The mixture found", {}, body, "");
}

}  // namespace demix
