#include <algorithm>
#include <cmath>
#include <vector>

#include "demix/report/charts.h"
#include "demix/report/sections.h"

namespace demix {
namespace {

constexpr Chooser kAllChoosers[] = {Chooser::kProxy,
                                    Chooser::kOtherProxy,
                                    Chooser::kInterpolation,
                                    Chooser::kOwnShare,
                                    Chooser::kCalibrated};

// Those that foretold something.
std::vector<Chooser> choosers_of(const RunResult& r) {
  std::vector<Chooser> choosers(std::begin(kAllChoosers), std::end(kAllChoosers));
  for (const Chooser chooser : {Chooser::kOtherProxy, Chooser::kCalibrated})
    if (fidelity_of(r, chooser).domains.empty()) std::erase(choosers, chooser);
  return choosers;
}

const char* chooser_class(Chooser chooser) {
  switch (chooser) {
    case Chooser::kProxy:
      return "proxy";
    case Chooser::kOtherProxy:
      return "other-proxy";
    case Chooser::kInterpolation:
      return "interpolation";
    case Chooser::kOwnShare:
      return "own-share";
    case Chooser::kCalibrated:
      return "calibrated";
  }
  return "";
}

// Radio buttons before the panels they show: the style sheet does the switching.
Html scatter_tabs(const RunResult& r) {
  Html inputs, labels, panels;
  const std::vector<Chooser> choosers = choosers_of(r);
  for (size_t i = 0; i < choosers.size(); ++i) {
    inputs += html(R"(<input type="radio" name="chooser" id="chooser{}" class="tab"{}>)",
                   i,
                   i == 0 ? Html{" checked"} : Html{});
    labels += html(R"(<label for="chooser{}">{}</label>)", i, chooser_name(r, choosers[i]));
    panels +=
        html(R"(<div class="tab-panel tab-panel{}">{}</div>)", i, scatter_chart(r, choosers[i]));
  }
  return html(
      R"(<div class="tabs" role="group" aria-label="What is set against the really trained score">)"
      R"({}<div class="tab-labels">{}</div>{}</div>)",
      inputs,
      labels,
      panels);
}

Html correlation_cell(const Estimate& e, Chooser chooser) {
  if (!std::isfinite(e.value)) return html(R"(<td class="num">–</td>)");
  return html(R"(<td class="num"><b>{}</b><small>{}</small>{}</td>)",
              show(e.value, 2),
              std::isfinite(e.low) ? fmt::format("{} … {}", show(e.low, 2), show(e.high, 2)) : "",
              interval_strip(e, chooser_class(chooser)));
}

Html plain_cell(const Estimate& e) {
  if (!std::isfinite(e.value)) return html(R"(<td class="num">–</td>)");
  return html(R"(<td class="num"><b>{}</b><small>{}</small></td>)",
              show(e.value, 2),
              std::isfinite(e.low) ? fmt::format("{} … {}", show(e.low, 2), show(e.high, 2)) : "");
}

Html agreement_rows(const RunResult& r, const std::string& scope, int domain) {
  Html rows;
  for (const Chooser chooser : choosers_of(r)) {
    const ChooserFidelity& fidelity = fidelity_of(r, chooser);
    if (domain >= 0 && fidelity.domains.empty()) continue;
    const Agreement& a =
        domain < 0 ? fidelity.macro : fidelity.domains[static_cast<size_t>(domain)];
    rows += html(R"(<tr><td><i class="swatch {}"></i>{}</td>{}{}{}{}{}</tr>)",
                 chooser_class(chooser),
                 chooser_name(r, chooser),
                 correlation_cell(a.spearman, chooser),
                 correlation_cell(a.spearman_top25, chooser),
                 correlation_cell(a.pearson, chooser),
                 plain_cell(a.capability_recovery),
                 plain_cell(a.regret));
  }
  if (rows.empty()) return {};
  return html(
      R"(<tbody{}><tr class="group"><th colspan="6" scope="rowgroup">{}</th></tr>{}</tbody>)",
      domain < 0 ? Html{R"( class="macro")"} : Html{},
      scope,
      rows);
}

Html choosers_table(const RunResult& r) {
  Html body;
  // With one domain the average over domains says nothing new.
  if (r.domains.size() != 1) body += agreement_rows(r, "all domains (macro average)", -1);
  for (size_t d = 0; d < r.domains.size(); ++d) {
    body += agreement_rows(r, r.domains[d].name, static_cast<int>(d));
  }
  return html(
      R"(<h3>Which predicts best?</h3><p class="lead">Brackets are 95 % bootstrap intervals over the {} )"
      R"(references. {}: a proxy that does not beat them has proved nothing. Calibrated estimates are learned from the other references, each left out of its own.</p>{})",
      r.fidelity.references,
      r.proxies == "merged" ? "Interpolation, own share and ensembles need no merging"
                            : "Interpolation and own share need no ensembles",
      scrollable(html(
          R"(<table class="choosers"><thead><tr><th scope="col">Chooser</th>)"
          R"(<th scope="col" class="num">Spearman</th><th scope="col" class="num">Spearman, best quarter</th>)"
          R"(<th scope="col" class="num">Pearson</th><th scope="col" class="num">capability recovery</th>)"
          R"(<th scope="col" class="num">regret <small>lower is better</small></th></tr></thead>{}</table>)",
          body)));
}

Html references_table(const RunResult& r) {
  Html head, body;
  for (const DomainFacts& d : r.domains) {
    head += html(R"(<th scope="col" class="num">{0}<br><small>proxy</small></th>)"
                 R"(<th scope="col" class="num">{0}<br><small>trained</small></th>)",
                 d.name);
  }
  for (const MixtureFacts& facts : r.references) {
    Html cells;
    for (size_t d = 0; d < r.domains.size(); ++d) {
      const Score proxy = facts.proxy.domains.empty() ? Score{} : facts.proxy.domains[d];
      const Score trained = facts.trained.domains.empty() ? Score{} : facts.trained.domains[d];
      cells += html(R"(<td class="num">{}</td><td class="num">{}</td>)",
                    show_score(proxy),
                    show_score(trained));
    }
    body +=
        html(R"(<tr data-key="{0}"><th scope="row">{0}{1}</th>{2}</tr>)",
             facts.name,
             facts.in_correlations ? Html{}
                                   : html(R"( <span class="tag">outside the statistics</span>)"),
             cells);
  }
  return html(
      R"(<details><summary>All {} references in numbers</summary>{}</details>)",
      r.references.size(),
      scrollable(
          html(R"(<table class="sortable"><thead><tr><th scope="col">Reference</th>{}</tr></thead>)"
               R"(<tbody>{}</tbody></table>)",
               head,
               body)));
}

}  // namespace

Html fidelity_section(const RunResult& r) {
  const bool scattered =
      std::any_of(r.references.begin(), r.references.end(), [](const MixtureFacts& m) {
        return !m.trained.domains.empty();
      });
  Html body;
  if (scattered) {
    body = scatter_tabs(r);
    const bool outside =
        std::any_of(r.references.begin(), r.references.end(), [](const MixtureFacts& m) {
          return !m.in_correlations && !m.proxy.domains.empty() && !m.trained.domains.empty();
        });
    body += html(
        R"(<p class="legend"><span>{} found</span><span>{} natural</span><span>{} uniform</span>)"
        R"(<span>{} other references</span>{}<span><i class="dash fit"></i>least squares</span>)"
        R"(<span><i class="dash identity"></i>y = x</span><span>bars: 95 %</span></p>)",
        mark_icon(Mark::kFound),
        mark_icon(Mark::kNatural),
        mark_icon(Mark::kUniform),
        mark_icon(Mark::kReference),
        outside ? html("<span>{} outside the statistics</span>", mark_icon(Mark::kReference, true))
                : Html{});
    body += choosers_table(r);
    body += references_table(r);
  }
  return section("fidelity",
                 "Does the proxy tell the truth?",
                 html("Each point is a mixture that a model was really trained on: found, natural, "
                      "uniform, and random ones that the search never saw; "
                      "upwards is its real score, to the right what was predicted. Scores are "
                      "turned so that higher "
                      "is better."),
                 body,
                 "No reference has been trained yet. Until then nothing here says how far the "
                 "proxies can be trusted.");
}

}  // namespace demix
