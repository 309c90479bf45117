#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/report/charts.h"

namespace demix {
namespace {

constexpr size_t kRowsShown = 20;  // the rest is folded away
constexpr double kManyEpochs = 4;  // beyond, repeated text is worth clearly less than new text

double at(const std::vector<double>& values, size_t i) {
  return values.empty() ? kUnknown : values[i];
}

// 0 to the largest value that any of the three mixtures has.
Scale share_scale(const std::vector<double>& found,
                  const std::vector<double>& natural,
                  const std::vector<double>& uniform) {
  double high = 0.01;
  for (const auto* values : {&found, &natural, &uniform}) {
    for (const double value : *values) high = std::max(high, std::isfinite(value) ? value : 0.0);
  }
  return {0, std::min(1.0, 1.04 * high)};
}

Html axis(const Scale& scale) {
  Html labels;
  for (const double tick : scale.ticks(4)) {
    labels += html(R"(<text x="{:.2f}%" y="14" class="tick">{}</text>)",
                   scale.percent(tick),
                   show(100 * tick, std::max(0, scale.decimals(4) - 2)));
  }
  return html(R"(<svg class="bar-axis" width="100%" height="16" aria-hidden="true">{}</svg>)",
              labels);
}

Html bar(const Scale& scale, double found, double natural, double uniform, const char* kind) {
  Html shapes;
  for (const double tick : scale.ticks(4)) {
    shapes += line(scale.percent(tick), 0, scale.percent(tick), 100, tick == 0 ? "axis" : "grid");
  }
  if (std::isfinite(found) && found > 0) {
    shapes += html(R"(<rect x="0" y="25%" width="{:.2f}%" height="50%" rx="2" class="bar {}"/>)",
                   scale.percent(found),
                   kind);
  }
  shapes += mark_at(scale.percent(uniform),
                    50,
                    Mark::kUniform,
                    false,
                    fmt::format("uniform: {}", show_percent(uniform)));
  shapes += mark_at(scale.percent(natural),
                    50,
                    Mark::kNatural,
                    false,
                    fmt::format("natural: {}", show_percent(natural)));
  return html(R"(<svg class="bars" width="100%" height="28" aria-hidden="true">{}</svg>)", shapes);
}

std::string show_epochs(double epochs) {
  return std::isfinite(epochs) ? show(epochs, epochs < 9.995 ? 2 : 1) : show(epochs, 0);
}

Html row(const RunResult& r, size_t i, const Scale& shares, const Scale& weights) {
  const DatasetFacts& dataset = r.datasets[i];
  const double p = at(r.mixture, i), natural = at(r.natural.mixture, i),
               uniform = at(r.uniform.mixture, i);
  const double alpha = at(r.merge_weights, i);
  const double tokens = p * r.target_tokens;
  const double epochs = dataset.available_tokens > 0
                            ? tokens / static_cast<double>(dataset.available_tokens)
                            : kUnknown;
  return html(
      R"(<tr><th scope="row" class="name">{}{}</th>)"
      R"(<td class="chart">{}</td><td class="num strong">{}</td><td class="num wide">{}</td>)"
      R"(<td class="num wide">{}</td><td class="chart weight">{}</td><td class="num weight">{}</td>)"
      R"(<td class="num wide">{}</td><td class="num wide{}">{}</td></tr>)",
      breakable(dataset.name),
      dataset.domain.empty() ? Html{} : html(R"( <span class="tag">{}</span>)", dataset.domain),
      bar(shares, p, natural, uniform, "share"),
      show_percent(p),
      show_percent(natural),
      show_percent(uniform),
      bar(weights, alpha, at(r.natural.merge_weights, i), at(r.uniform.merge_weights, i), "alpha"),
      show_percent(alpha),
      show_count(tokens),
      epochs > kManyEpochs ? " alert" : "",
      show_epochs(epochs));
}

Html table(const RunResult& r, const std::vector<size_t>& rows) {
  const Scale shares = share_scale(r.mixture, r.natural.mixture, r.uniform.mixture);
  const Scale weights =
      share_scale(r.merge_weights, r.natural.merge_weights, r.uniform.merge_weights);
  Html body;
  for (const size_t i : rows) body += row(r, i, shares, weights);
  const bool budget = std::isfinite(r.target_tokens);
  return html(
      R"(<table class="mixture"><thead><tr><th scope="col">Dataset</th>)"
      R"(<th scope="col" class="chart">Data share p, %{}</th><th scope="col" class="num">p found</th>)"
      R"(<th scope="col" class="num wide">natural</th><th scope="col" class="num wide">uniform</th>)"
      R"(<th scope="col" class="chart weight">Merge weight α, %{}</th><th scope="col" class="num weight">α found</th>)"
      R"(<th scope="col" class="num wide">tokens{}</th><th scope="col" class="num wide">epochs</th>)"
      R"(</tr></thead><tbody>{}</tbody></table>)",
      axis(shares),
      axis(weights),
      budget ? html(R"(<small>of {}</small>)", show_count(r.target_tokens)) : Html{},
      body);
}

}  // namespace

Html mixture_chart(const RunResult& r) {
  if (r.datasets.empty() ||
      (r.mixture.empty() && r.natural.mixture.empty() && r.uniform.mixture.empty())) {
    return {};
  }
  const std::vector<double>& sorted_by = !r.mixture.empty()           ? r.mixture
                                         : !r.natural.mixture.empty() ? r.natural.mixture
                                                                      : r.uniform.mixture;
  const auto key = [&](size_t i) { return std::isfinite(sorted_by[i]) ? sorted_by[i] : -1.0; };
  std::vector<size_t> order(r.datasets.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) > key(b); });

  // A handful more than fit is not worth folding away.
  const size_t shown = order.size() <= kRowsShown + 4 ? order.size() : kRowsShown;
  Html chart = html(
      R"(<p class="legend"><span><i class="swatch share"></i>found</span><span>{} natural: as the token )"
      R"(counts</span><span>{} uniform: equal merge weights</span></p>{})",
      mark_icon(Mark::kNatural),
      mark_icon(Mark::kUniform),
      table(r, {order.begin(), order.begin() + static_cast<ptrdiff_t>(shown)}));
  if (shown < order.size()) {
    chart +=
        html(R"(<details><summary>{} more datasets, all with smaller shares</summary>{}</details>)",
             order.size() - shown,
             table(r, {order.begin() + static_cast<ptrdiff_t>(shown), order.end()}));
  }
  for (size_t i = 0; i < r.mixture.size(); ++i) {
    const auto available = static_cast<double>(r.datasets[i].available_tokens);
    if (available <= 0 || !(r.mixture[i] * r.target_tokens > kManyEpochs * available)) continue;
    chart += html(
        R"(<p class="note"><span class="alert">Marked epochs</span>: above {:.0f}, where repeated )"
        R"(text is worth clearly less than new text.</p>)",
        kManyEpochs);
    break;
  }
  return chart;
}

}  // namespace demix
