#include "demix/report/own_data_table.h"

#include <cmath>

#include "demix/report/plot.h"
#include "demix/report/sections.h"
#include "demix/validate/own_data.h"

namespace demix {
namespace {

const char* in_words(OwnData reading) {
  switch (reading) {
    case OwnData::kUnchecked:
      return "not checked";
    case OwnData::kBest:
      return "best on its own";
    case OwnData::kAlike:
      return "no better than others";
    case OwnData::kForgot:
      return "best, but worse than the base";
    case OwnData::kBehind:
      return "another is better";
    case OwnData::kBelowBase:
      return "worse than the base";
  }
  return "";
}

}  // namespace

Html own_data_table(const RunResult& r) {
  const OwnDataFacts& facts = r.own_data;
  if (facts.components.empty()) return {};
  const auto is_scored = [&](size_t d) { return std::isfinite(facts.base[d]); };
  Html head, rows, base;
  for (size_t d = 0; d < r.datasets.size(); ++d) {
    if (!is_scored(d)) continue;
    head += html(R"(<th scope="col" class="num">{}</th>)", breakable(r.datasets[d].name));
    base += html(R"(<td class="num">{}</td>)", show(facts.base[d], 2));
  }
  for (size_t k = 0; k < facts.components.size(); ++k) {
    Html cells;
    for (size_t d = 0; d < r.datasets.size(); ++d)
      if (is_scored(d))
        cells += html(
            R"(<td class="num{}">{}</td>)", d == k ? " strong" : "", show(facts.bits[k][d], 2));
    const OwnData reading = own_data_named(facts.components[k].reading);
    rows += html(R"(<tr><th scope="row" class="name">{}</th>{}<td>{}</td></tr>)",
                 breakable(r.datasets[k].name),
                 cells,
                 failed(reading) ? html(R"(<span class="tag alert">{}</span>)", in_words(reading))
                                 : html("{}", in_words(reading)));
  }
  return html(
      R"(<h3>What components learned</h3><p class="lead">Bits per byte of the datasets' held-out text, less is )"
      R"(better. A component that learned its dataset is the best on it: in its column, the number in bold.</p>{})",
      scrollable(html(
          R"(<table><thead><tr><th scope="col">Component of</th>{}<th scope="col"></th></tr></thead>)"
          R"(<tbody>{}<tr><th scope="row" class="name">the base</th>{}<td></td></tr></tbody></table>)",
          head,
          rows,
          base)));
}

}  // namespace demix
