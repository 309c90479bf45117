#include <algorithm>
#include <cmath>

#include "demix/report/chance.h"
#include "demix/report/charts.h"
#include "demix/report/sections.h"

namespace demix {
namespace {

bool is_known(const Score& score) { return std::isfinite(score.value); }

// With really trained scores where there are any, else with the proxies'.
Html number_cells(const ScoreRow& row, bool trained, Score gain) {
  const Score found = trained ? row.found_trained : row.found_proxy;
  const Score natural = trained ? row.natural_trained : row.natural_proxy;
  const Score uniform = trained ? row.uniform_trained : row.uniform_proxy;
  if (!row.higher_is_better) gain.value = -gain.value;
  const double half = kIntervalErrors * gain.standard_error;
  const int decimals = decimals_for(half);
  const bool clear = std::abs(gain.value) > half;
  const std::string sign = gain.value > 0 ? "+" : "";
  return html(
      R"(<td class="num strong" data-label="found">{}</td><td class="num" data-label="natural">{}</td>)"
      R"(<td class="num" data-label="uniform">{}</td><td class="num gain {}" data-label="gain">{}</td>)",
      show_score(found),
      show_score(natural),
      show_score(uniform),
      !clear           ? "unclear"
      : gain.value > 0 ? "better"
                       : "worse",
      is_known(gain)
          ? fmt::format("{}{} ± {}", sign, show(gain.value, decimals), show(half, decimals))
          : "–");
}

ScoreRow task_row(const RunResult& r, size_t t) {
  return {score_at(r.found.trained.tasks, t),
          score_at(r.natural.trained.tasks, t),
          score_at(r.uniform.trained.tasks, t),
          score_at(r.found.proxy.tasks, t),
          score_at(r.natural.proxy.tasks, t),
          score_at(r.uniform.proxy.tasks, t),
          r.tasks[t].chance,
          r.tasks[t].higher_is_better};
}

ScoreRow domain_row(const RunResult& r, size_t d) {
  return {score_at(r.found.trained.domains, d),
          score_at(r.natural.trained.domains, d),
          score_at(r.uniform.trained.domains, d),
          score_at(r.found.proxy.domains, d),
          score_at(r.natural.proxy.domains, d),
          score_at(r.uniform.proxy.domains, d)};
}

bool any_known(const ScoreRow& row) {
  for (const Score& s : {row.found_trained,
                         row.natural_trained,
                         row.uniform_trained,
                         row.found_proxy,
                         row.natural_proxy,
                         row.uniform_proxy}) {
    if (is_known(s)) return true;
  }
  return false;
}

Html task_cells(const RunResult& r, size_t t, bool trained) {
  const TaskFacts& task = r.tasks[t];
  const ScoreRow row = task_row(r, t);
  return html(
      R"(<tr><th scope="row" class="name">{}{}<small>{}{} · n&nbsp;=&nbsp;{}</small></th>)"
      R"(<td class="chart">{}</td>{}<td class="num" data-label="predicted">{}</td></tr>)",
      breakable(task.name),
      at_chance(r, t)
          ? html(
                R"( <span class="tag alert" title="No model is clearly better than guessing">at chance</span>)")
          : Html{},
      task.metric,
      task.higher_is_better ? "" : ", lower is better",
      task.items,
      score_strip(row),
      number_cells(row, trained, score_at(r.natural.found_gain.tasks, t)),
      show_score(score_at(r.predicted, t)));
}

}  // namespace

Html scores_section(const RunResult& r) {
  const bool trained = !r.found.trained.domains.empty() || !r.found.trained.tasks.empty();
  Html body;
  bool any = false;
  const auto add_tasks = [&](const std::string& domain) {
    Html rows;
    for (size_t t = 0; t < r.tasks.size(); ++t) {
      if (r.tasks[t].domain != domain) continue;
      if (!any_known(task_row(r, t)) && !is_known(score_at(r.predicted, t))) continue;
      rows += task_cells(r, t, trained);
      any = true;
    }
    return rows;
  };
  for (size_t d = 0; d < r.domains.size(); ++d) {
    const ScoreRow row = domain_row(r, d);
    any = any || any_known(row);
    body += html(
        R"(<tbody><tr class="group"><th scope="rowgroup" class="name">{}<small>{}</small></th>)"
        R"(<td class="chart">{}</td>{}<td class="num"></td></tr>{}</tbody>)",
        r.domains[d].name,
        r.domains[d].unit,
        score_strip(row),
        number_cells(row, trained, score_at(r.natural.found_gain.domains, d)),
        add_tasks(r.domains[d].name));
  }
  if (const Html rest = add_tasks(""); !rest.empty()) body += html("<tbody>{}</tbody>", rest);

  const bool chances = std::any_of(r.tasks.begin(), r.tasks.end(), [](const TaskFacts& task) {
    return std::isfinite(task.chance);
  });
  const char* measured = trained ? "trained" : "proxy";
  const Html table = html(
      R"(<p class="legend"><span>{}{}{} really trained: found, natural, uniform</span>)"
      R"(<span>{}{}{} their proxies</span>{})"
      R"(<span>bars: 95 %</span><span>to the right is better; each row has its own scale</span></p>)"
      R"(<table class="scores"><thead><tr><th scope="col">Task</th><th scope="col" class="chart better">better →</th>)"
      R"(<th scope="col" class="num">found<small>{}</small></th><th scope="col" class="num">natural<small>{}</small></th>)"
      R"(<th scope="col" class="num">uniform<small>{}</small></th><th scope="col" class="num">gain<small>over natural</small></th>)"
      R"(<th scope="col" class="num">found<small>predicted</small></th></tr></thead>{}</table>)",
      mark_icon(Mark::kFound),
      mark_icon(Mark::kNatural),
      mark_icon(Mark::kUniform),
      mark_icon(Mark::kFound, true),
      mark_icon(Mark::kNatural, true),
      mark_icon(Mark::kUniform, true),
      chances ? html(R"(<span><i class="dash chance"></i>chance</span>)") : Html{},
      measured,
      measured,
      measured,
      body);
  return section(
      "scores",
      "Scores per task",
      html("Half-widths are 95 % from the sampling of items, a gain's from the same items; a gain "
           "in grey is no evidence of a difference."),
      any ? table : Html{},
      "Nothing has been scored yet.");
}

}  // namespace demix
