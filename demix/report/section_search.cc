#include <algorithm>
#include <cmath>

#include "demix/report/charts.h"
#include "demix/report/search_tables.h"
#include "demix/report/sections.h"

namespace demix {
namespace {

// The distinct values of a field, in the order of their first appearance.
std::vector<std::string> distinct(const std::vector<PredictorFit>& fits,
                                  std::string PredictorFit::* field) {
  std::vector<std::string> values;
  for (const PredictorFit& fit : fits) {
    if (std::find(values.begin(), values.end(), fit.*field) == values.end())
      values.push_back(fit.*field);
  }
  return values;
}

Html predictors_table(const RunResult& r) {
  if (r.predictors.empty()) return {};
  const std::vector<std::string> names = distinct(r.predictors, &PredictorFit::name);
  Html head, rows;
  for (const std::string& name : names)
    head += html(R"(<th scope="col" class="num">{}</th>)", name);
  for (const std::string& metric : distinct(r.predictors, &PredictorFit::metric)) {
    Html cells;
    for (const std::string& name : names) {
      const auto fit =
          std::find_if(r.predictors.begin(), r.predictors.end(), [&](const PredictorFit& f) {
            return f.name == name && f.metric == metric;
          });
      if (fit == r.predictors.end()) {
        cells += html(R"(<td class="num">–</td>)");
        continue;
      }
      cells += html(R"(<td class="num{}">{}{} <small>± {}, {}</small></td>)",
                    fit->chosen ? " chosen" : "",
                    fit->chosen ? "✓ " : "",
                    show(fit->cv_spearman, 2),
                    show(fit->cv_mae, 3),
                    show(fit->coverage90, 2));
    }
    rows += html(R"(<tr><th scope="row">{}</th>{}</tr>)", metric, cells);
  }
  return html(
      R"(<h3>Predictors</h3><p class="lead">Spearman (± mean absolute error, share inside the 90 % )"
      R"(intervals) in cross-validation on the proxies; ✓ marks the one that was used.</p>{})",
      scrollable(html(
          R"(<table class="sortable compact"><thead><tr><th scope="col">Score</th>{}</tr></thead>)"
          R"(<tbody>{}</tbody></table>)",
          head,
          rows)));
}

Html proxies_table(const RunResult& r) {
  Html head, body;
  for (const DomainFacts& d : r.domains)
    head += html(R"(<th scope="col" class="num">{}</th>)", d.name);
  for (const DatasetFacts& d : r.datasets) {
    head += html(R"(<th scope="col" class="num"><small>p</small>{}</th>)", breakable(d.name));
  }
  for (size_t i = 0; i < r.search.size(); ++i) {
    const SearchedProxy& proxy = r.search[i];
    Html cells;
    for (size_t d = 0; d < r.domains.size(); ++d) {
      cells += html(R"(<td class="num">{}</td>)",
                    proxy.domains.empty() ? "–" : show_score(proxy.domains[d]));
    }
    for (size_t k = 0; k < r.datasets.size(); ++k) {
      cells += html(R"(<td class="num">{}</td>)",
                    show_percent(proxy.mixture.empty() ? kUnknown : proxy.mixture[k]));
    }
    body += html(
        R"(<tr><th scope="row" class="num">{}</th><td class="num">{}</td><td class="num strong">{}</td>)"
        R"(<td class="num">{}</td>{}</tr>)",
        i + 1,
        proxy.round < 0 ? "other runs" : std::to_string(proxy.round + 1),
        show(proxy.objective, 3),
        show(proxy.predicted_objective, 3),
        cells);
  }
  return html(
      R"(<details><summary>All {} proxies in numbers</summary>{}</details>)",
      r.search.size(),
      scrollable(html(
          R"(<table class="sortable compact"><thead><tr><th scope="col" class="num">Proxy</th>)"
          R"(<th scope="col" class="num">round</th><th scope="col" class="num">objective</th>)"
          R"(<th scope="col" class="num">predicted</th>{}</tr></thead><tbody>{}</tbody></table>)",
          head,
          body)));
}

}  // namespace

Html search_section(const RunResult& r) {
  Html body = progress_chart(r);
  if (!body.empty()) {
    body += search_end_note(r);
    body += verified_table(r);
    body += front_table(r);
    body += predictors_table(r);
    body += proxies_table(r);
  }
  return section(
      "search",
      "The search",
      html("Every proxy is {} of the components, scored without any training. Objective: {}.",
           r.proxies == "merged" ? "a merge" : "an ensemble",
           r.objective.empty() ? "not stated" : r.objective),
      body,
      "The search has not scored a proxy yet.");
}

}  // namespace demix
