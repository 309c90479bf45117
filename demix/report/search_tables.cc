#include "demix/report/search_tables.h"

#include <algorithm>
#include <cmath>

#include "demix/report/plot.h"
#include "demix/report/sections.h"

namespace demix {
namespace {

// "–" where nothing is known.
Html score_cell(const Score& score) {
  return html(R"(<td class="num">{}</td>)", show_score(score));
}

Html verified_row(const RunResult& r, const MixtureFacts& facts) {
  Html cells;
  for (size_t d = 0; d < r.domains.size(); ++d) {
    cells += score_cell(score_at(facts.predicted.domains, d));
    cells += score_cell(score_at(facts.measured.domains, d));
    cells += score_cell(score_at(facts.found_gain_proxy.domains, d));
  }
  return html(R"(<tr><th scope="row">{}</th>{}</tr>)", facts.name, cells);
}

// A range of shares; "≤" and "≥" where a constraint ends it before the objective has fallen.
std::string range(const ShareTolerance& t) {
  return fmt::format("{}{} … {}{}",
                     t.low_bound ? "≥ " : "",
                     show_percent(t.low),
                     t.high_bound ? "≤ " : "",
                     show_percent(t.high));
}

}  // namespace

Html verified_table(const RunResult& r) {
  const MixtureFacts& found = r.searched.name.empty() ? r.found : r.searched;
  if (found.predicted.domains.empty() || r.domains.empty()) return {};
  const bool split = r.search_end.select_share < 1;
  Html groups, head, rows;
  for (const DomainFacts& d : r.domains) {
    groups += html(R"(<th scope="colgroup" colspan="3">{}</th>)", d.name);
    head += html(
        R"(<th scope="col" class="num">predicted</th><th scope="col" class="num">measured</th>)"
        R"(<th scope="col" class="num">found gains</th>)");
  }
  for (const MixtureFacts* facts : {&found, &r.natural, &r.uniform, &r.flattened, &r.current}) {
    if (!facts->measured.domains.empty()) rows += verified_row(r, *facts);
  }
  return html(
      R"(<h3>Predicted and measured</h3><p class="lead">The proxy of each mixture was scored{}. )"
      R"(Half-widths are 95 %; those of predictions are of one measurement. Gains of the found )"
      R"(mixture are of its proxy, paired on the same items{}.</p>{})",
      split ? ", here on the items that the search selected by" : "",
      split ? fmt::format(" that had no part in the choice, {} of all",
                          show_percent(1 - r.search_end.select_share))
            : "",
      scrollable(html(
          R"(<table class="compact"><thead><tr><th></th>{}</tr><tr><th scope="col">Mixture</th>{}</tr></thead>)"
          R"(<tbody>{}</tbody></table>)",
          groups,
          head,
          rows)));
}

Html tolerance_table(const RunResult& r) {
  if (r.tolerance.empty() || r.mixture.empty()) return {};
  Html rows;
  for (size_t k = 0; k < r.datasets.size(); ++k) {
    rows +=
        html(R"(<tr><th scope="row">{}</th><td class="num">{}</td><td class="num">{}</td></tr>)",
             breakable(r.datasets[k].name),
             show_percent(r.mixture[k]),
             range(r.tolerance[k]));
  }
  return html(
      R"(<h3>How far each share can move</h3><p class="lead">The other merge weights keep their )"
      R"(ratios. Beyond the range the predicted objective is lower by more than )"
      R"(a proxy's objective differs from its prediction ({}, one standard deviation); ≥ and ≤ are limits of the constraints.</p>{})",
      show(r.search_end.objective_error, 3),
      scrollable(html(
          R"(<table class="sortable compact"><thead><tr><th scope="col">Dataset</th>)"
          R"(<th scope="col" class="num">share</th><th scope="col" class="num">from … to</th></tr></thead>)"
          R"(<tbody>{}</tbody></table>)",
          rows)));
}

Html front_table(const RunResult& r) {
  if (r.front.empty()) return {};
  Html head, rows;
  for (const DomainFacts& d : r.domains)
    head += html(R"(<th scope="col" class="num">{}</th>)", d.name);
  for (const DatasetFacts& d : r.datasets)
    head += html(R"(<th scope="col" class="num"><small>p</small>{}</th>)", breakable(d.name));
  for (size_t i = 0; i < r.front.size(); ++i) {
    const FrontMixture& point = r.front[i];
    Html cells;
    for (size_t d = 0; d < r.domains.size(); ++d) cells += score_cell(score_at(point.domains, d));
    for (size_t k = 0; k < r.datasets.size(); ++k) {
      cells += html(R"(<td class="num">{}</td>)",
                    show_percent(point.mixture.empty() ? kUnknown : point.mixture[k]));
    }
    rows += html(R"(<tr><th scope="row" class="num">{}</th>{}</tr>)", i + 1, cells);
  }
  return html(
      R"(<h3>Trade-offs between domains</h3><p class="lead">Each is the predicted optimum of another )"
      R"(weighting of the domains; none is predicted to be better than another in one domain )"
      R"(without being worse in a second.</p>{})",
      scrollable(html(
          R"(<table class="sortable compact"><thead><tr><th scope="col" class="num">#</th>{}</tr></thead>)"
          R"(<tbody>{}</tbody></table>)",
          head,
          rows)));
}

Html search_end_note(const RunResult& r) {
  if (r.search_end.decision.empty()) return {};
  Html gain;
  if (std::isfinite(r.search_end.next_gain)) {
    gain = html(
        " One more proxy is expected to gain {} standard deviations of the goal over the proxies.",
        show(r.search_end.next_gain, 3));
  }
  return html(R"(<p class="note">The mixture is {}. The search ended because {}.{}</p>)",
              r.search_end.decision,
              r.search_end.stopped,
              gain);
}

}  // namespace demix
