#include <cmath>

#include "demix/report/charts.h"
#include "demix/report/sections.h"
#include "demix/report/trust.h"

namespace demix {
namespace {

Html tile(const std::string& value, const char* what) {
  return html(R"(<div class="tile"><b>{}</b><span>{}</span></div>)", value, what);
}

// What scoring the same mixtures by training would have taken, at the components' budget.
Html saving(const RunResult& r) {
  double tokens = 0, components = 0;
  for (const TrainedModel& m : r.models) {
    if (m.kind != "component") continue;
    tokens += static_cast<double>(m.tokens);
    ++components;
  }
  if (components == 0 || tokens == 0 || r.search.empty()) return {};
  const double each = tokens / components, trained = each * static_cast<double>(r.search.size());
  return html(
      R"(<p class="lead">The search scored {} {} for no training tokens beyond the {} of the )"
      R"(components. Training a model on each of those mixtures, as long as a component, would have taken )"
      R"({}: {} times as much.</p>)",
      r.search.size(),
      proxies_in_words(r),
      show_count(tokens),
      show_count(trained),
      show(trained / tokens, 1));
}

}  // namespace

Html cost_section(const RunResult& r) {
  Html body;
  double seconds = 0;
  for (const auto& [stage, value] : r.cost.seconds) seconds += std::isfinite(value) ? value : 0;
  const bool any =
      r.cost.tokens_trained > 0 || r.cost.proxies > 0 || r.cost.items_scored > 0 || seconds > 0;
  if (any) {
    body = html(R"(<div class="tiles">{}{}{}{}</div>{}{})",
                tile(show_seconds(seconds), "in all stages"),
                tile(show_count(static_cast<double>(r.cost.tokens_trained)), "tokens trained"),
                tile(show_count(static_cast<double>(r.cost.proxies)), "proxies scored"),
                tile(show_count(static_cast<double>(r.cost.items_scored)), "items scored"),
                seconds_bar(r.cost),
                saving(r));
  }
  return section("cost", "What it cost", {}, body, "Nothing has been spent yet.");
}

}  // namespace demix
