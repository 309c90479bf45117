#include <algorithm>
#include <cmath>

#include "demix/report/plot.h"
#include "demix/report/sections.h"

namespace demix {
namespace {

double count(int64_t n) { return static_cast<double>(n); }

Html datasets_table(const RunResult& r) {
  Html rows;
  DatasetFacts sum;
  for (const DatasetFacts& d : r.datasets) {
    const double tokens = count(d.train_tokens) + count(d.heldout_tokens);
    rows += html(
        R"(<tr><th scope="row" class="name">{} {}</th><td class="num">{}</td><td class="num">{}</td>)"
        R"(<td class="num">{}</td><td class="num">{}</td><td class="num">{}</td><td class="num">{}</td></tr>)",
        breakable(d.name),
        d.domain.empty() ? Html{} : html(R"(<span class="tag">{}</span>)", d.domain),
        show_count(count(d.documents)),
        show_count(count(d.duplicates_removed)),
        show_bytes(count(d.bytes)),
        show_count(count(d.train_tokens)),
        show_count(count(d.heldout_tokens)),
        tokens > 0 ? show(count(d.bytes) / tokens, 2) : "–");
    sum.documents += d.documents;
    sum.duplicates_removed += d.duplicates_removed;
    sum.bytes += d.bytes;
    sum.train_tokens += d.train_tokens;
    sum.heldout_tokens += d.heldout_tokens;
  }
  return scrollable(html(
      R"(<table class="sortable"><thead><tr><th scope="col">Dataset</th><th scope="col" class="num">documents</th>)"
      R"(<th scope="col" class="num">duplicates removed</th><th scope="col" class="num">text</th>)"
      R"(<th scope="col" class="num">training tokens</th><th scope="col" class="num">held-out tokens</th>)"
      R"(<th scope="col" class="num">bytes per token</th></tr></thead><tbody>{}</tbody><tfoot><tr><th scope="row">all</th>)"
      R"(<td class="num">{}</td><td class="num">{}</td><td class="num">{}</td><td class="num">{}</td>)"
      R"(<td class="num">{}</td><td></td></tr></tfoot></table>)",
      rows,
      show_count(count(sum.documents)),
      show_count(count(sum.duplicates_removed)),
      show_bytes(count(sum.bytes)),
      show_count(count(sum.train_tokens)),
      show_count(count(sum.heldout_tokens))));
}

// The largest difference between the share asked for and the share consumed, in percentage points.
double largest_deviation(const TrainedModel& m) {
  if (m.asked_shares.empty() || m.tokens_by_dataset.empty()) return kUnknown;
  double total = 0, largest = 0;
  for (const int64_t tokens : m.tokens_by_dataset) total += count(tokens);
  if (!(total > 0)) return kUnknown;
  for (size_t i = 0; i < m.asked_shares.size(); ++i) {
    largest =
        std::max(largest, std::abs(m.asked_shares[i] - count(m.tokens_by_dataset[i]) / total));
  }
  return 100 * largest;
}

// Five shades of epochs; above four, repeated text is worth clearly less than new text.
int epochs_shade(double epochs) {
  if (!(epochs > 0)) return 0;
  return epochs < 0.25 ? 1 : epochs < 1 ? 2 : epochs <= 4 ? 3 : 4;
}

Html model_row(const RunResult& r, const TrainedModel& m) {
  Html cells;
  for (size_t i = 0; i < r.datasets.size(); ++i) {
    const double epochs = m.epochs_by_dataset.empty() ? kUnknown : m.epochs_by_dataset[i];
    if (m.tokens_by_dataset.empty() || m.tokens_by_dataset[i] == 0) {
      cells += html(R"(<td class="num shade0">·</td>)");
      continue;
    }
    cells += html(R"(<td class="num shade{}">{}<small>{}&nbsp;ep</small></td>)",
                  epochs_shade(epochs),
                  show_count(count(m.tokens_by_dataset[i])),
                  show(epochs, 2));
  }
  return html(
      R"(<tr><th scope="row" class="name">{} <span class="tag">{}</span></th><td class="num">{}</td>{}<td class="num">{}</td>)"
      R"(<td class="num">{}</td><td class="num">{}</td><td class="num">{}</td></tr>)",
      breakable(m.name),
      m.kind,
      show_count(count(m.tokens)),
      cells,
      show(largest_deviation(m), 2),
      show(m.final_loss, 3),
      show(m.drift, 3),
      show_seconds(m.seconds));
}

template <typename Wanted>
Html models_table(const RunResult& r, Wanted wanted) {
  Html head, rows;
  for (const DatasetFacts& d : r.datasets)
    head += html(R"(<th scope="col" class="num">{}</th>)", breakable(d.name));
  for (const TrainedModel& m : r.models) {
    if (wanted(m)) rows += model_row(r, m);
  }
  if (rows.empty()) return {};
  return scrollable(html(
      R"(<table class="models"><thead><tr><th scope="col">Model</th><th scope="col" class="num">tokens</th>{}<th scope="col" class="num">off by</th>)"
      R"(<th scope="col" class="num">final loss</th><th scope="col" class="num">drift δ</th><th scope="col" class="num">time</th>)"
      R"(</tr></thead><tbody>{}</tbody></table>)",
      head,
      rows));
}

}  // namespace

Html consumption_section(const RunResult& r) {
  Html body;
  if (!r.datasets.empty()) body += html("<h3>Datasets</h3>{}", datasets_table(r));
  const auto is_reference = [](const TrainedModel& m) { return m.kind == "reference"; };
  const Html trained = models_table(r, [&](const TrainedModel& m) { return !is_reference(m); });
  const Html references = models_table(r, is_reference);
  if (!trained.empty() || !references.empty()) {
    body += html(
        R"(<h3>What every model read</h3><p class="lead">Tokens really drawn from each dataset, and how often )"
        R"(that went through it (ep: epochs, shaded; framed above 4). Off by: largest difference between the )"
        R"(share asked for and the share drawn, in percentage points.</p>{})",
        trained);
  }
  if (!references.empty()) {
    body += html("<details><summary>{} references</summary>{}</details>",
                 std::count_if(r.models.begin(), r.models.end(), is_reference),
                 references);
  }
  return section("consumption", "What was consumed", {}, body, "No dataset has been prepared yet.");
}

}  // namespace demix
