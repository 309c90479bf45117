#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/report/charts.h"
#include "demix/report/search_tables.h"
#include "demix/report/sections.h"
#include "demix/report/trust.h"

namespace demix {
namespace {

constexpr size_t kNamed = 4;  // datasets named in the sentence

// "59 % prose, 15 % code … and 3 others; nothing of ocr_noise."
Html mixture_sentence(const RunResult& r) {
  if (r.mixture.empty()) return html("No mixture has been found yet.");
  std::vector<size_t> order(r.mixture.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto share = [&](size_t i) { return std::isfinite(r.mixture[i]) ? r.mixture[i] : 0.0; };
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return share(a) > share(b); });

  constexpr double kNothing = 5e-4;  // would print as 0.0 %
  size_t used = 0;
  while (used < order.size() && share(order[used]) >= kNothing) ++used;
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
  if (used == order.size()) return html("Train on {}.", sentence);
  const size_t unused = order.size() - used;
  if (unused > 2) return html("Train on {}; nothing of the other {}.", sentence, unused);
  sentence += html("; nothing of {}", r.datasets[order[used]].name);
  if (unused == 2) sentence += html(" and {}", r.datasets[order[used + 1]].name);
  return html("Train on {}.", sentence);
}

const char* kind_class(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::kYes:
      return "yes";
    case Verdict::Kind::kPartly:
      return "partly";
    case Verdict::Kind::kNo:
      return "no";
    case Verdict::Kind::kNoEvidence:
      return "none";
    case Verdict::Kind::kNotKnownYet:
      return "pending";
  }
  return "";
}

const char* kind_in_words(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::kYes:
      return "✓ Yes";
    case Verdict::Kind::kPartly:
      return "± Partly";
    case Verdict::Kind::kNo:
      return "✕ No";
    case Verdict::Kind::kNoEvidence:
      return "? No evidence";
    case Verdict::Kind::kNotKnownYet:
      return "… Not known yet";
  }
  return "";
}

Html trust_list(const RunResult& r) {
  Html items;
  for (const Verdict& v : verdicts(r)) {
    items += html(R"(<li><span class="verdict {}">{}</span><div><b>{}</b><p>{}</p></div></li>)",
                  kind_class(v.kind),
                  kind_in_words(v.kind),
                  v.question,
                  v.answer);
  }
  return html(R"(<h3 id="trust">How far to trust it</h3><ul class="verdicts">{}</ul>)", items);
}

Html warnings_box(const RunResult& r) {
  if (r.warnings.empty()) return {};
  Html items;
  for (const std::string& warning : r.warnings) items += html("<li>{}</li>", warning);
  return html(
      R"(<aside class="warnings" id="warnings"><h3>{}</h3><ul>{}</ul></aside>)",
      r.warnings.size() == 1 ? "One warning" : fmt::format("{} warnings", r.warnings.size()),
      items);
}

}  // namespace

Html answer_section(const RunResult& r) {
  Html body = html(R"(<p class="answer">{}</p>)", mixture_sentence(r));
  body += mixture_chart(r);
  for (const MixtureFacts* facts : {&r.natural, &r.uniform, &r.flattened, &r.current, &r.found}) {
    if (!facts->note.empty())
      body += html(R"(<p class="note">{}: {}</p>)", facts->name, facts->note);
  }
  body += trust_list(r);
  body += tolerance_table(r);
  body += warnings_box(r);
  return section("mixture", "The mixture found", {}, body, "");
}

}  // namespace demix
