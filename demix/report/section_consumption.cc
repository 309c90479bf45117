#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/report/own_data_table.h"
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

// Documents that stand in more than one dataset, most first.
Html shared_list(const RunResult& r) {
  const auto share_of = [&](const std::string& name, int64_t documents) {
    for (const DatasetFacts& d : r.datasets)
      if (d.name == name) return show_percent(count(documents) / count(d.documents));
    return std::string("–");
  };
  std::vector<SharedFacts> pairs = r.shared;
  std::stable_sort(pairs.begin(), pairs.end(), [](const SharedFacts& x, const SharedFacts& y) {
    return x.documents > y.documents;
  });
  Html rows;
  for (const SharedFacts& s : pairs) {
    rows += html(
        R"(<tr><th scope="row" class="name">{} and {}</th><td class="num">{}</td><td class="num">{} and {}</td></tr>)",
        breakable(s.a),
        breakable(s.b),
        show_count(count(s.documents)),
        share_of(s.a, s.documents),
        share_of(s.b, s.documents));
  }
  return html(
      "<h3>The same documents in two datasets</h3>{}",
      scrollable(html(
          R"(<table><thead><tr><th scope="col">Datasets</th><th scope="col" class="num">documents</th>)"
          R"(<th scope="col" class="num">of each</th></tr></thead><tbody>{}</tbody></table>)",
          rows)));
}

// Benchmark items whose text the datasets hold; tasks of which there are none are only named.
Html overlaps_table(const RunResult& r) {
  Html head, rows;
  std::vector<std::string> clean;
  for (const DatasetFacts& d : r.datasets)
    head += html(R"(<th scope="col" class="num">{}</th>)", breakable(d.name));
  for (const OverlapFacts& o : r.overlaps) {
    if (std::all_of(o.seen.begin(), o.seen.end(), [](int64_t seen) { return seen == 0; })) {
      clean.push_back(fmt::format("{} ({})", o.task, o.judged));
      continue;
    }
    Html cells;
    for (const int64_t seen : o.seen)
      cells += seen == 0 ? html(R"(<td class="num">·</td>)")
                         : html(R"(<td class="num strong">{}</td>)", seen);
    rows += html(R"(<tr><th scope="row" class="name">{}</th><td class="num">{} of {}</td>{}</tr>)",
                 breakable(o.task),
                 o.judged,
                 o.items,
                 cells);
  }
  Html result = html(
      R"(<h3>Benchmarks in the training text</h3><p class="lead">Items of which 13 words in a row, in prompt )"
      R"(or gold answer, stand in a document (all words of an item of 8 to 12). Scores on them may be memory.</p>)");
  if (!rows.empty()) {
    result += scrollable(html(
        R"(<table><thead><tr><th scope="col">Task</th><th scope="col" class="num">items judged</th>{}</tr></thead>)"
        R"(<tbody>{}</tbody></table>)",
        head,
        rows));
  }
  if (!clean.empty()) {
    result += html(R"(<p>Nothing was found of (items judged): {}.</p>)",
                   fmt::format("{}", fmt::join(clean, ", ")));
  }
  return result;
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
  Html cells, from;
  if (!m.trained_by.empty()) from = html("<small>taken from {}</small>", breakable(m.trained_by));
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
      R"(<tr><th scope="row" class="name">{} <span class="tag">{}</span>{}</th><td class="num">{}</td>{}<td class="num">{}</td>)"
      R"(<td class="num">{}</td><td class="num">{}</td><td class="num">{}</td></tr>)",
      breakable(m.name),
      m.kind,
      from,
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
  if (!r.shared.empty()) body += shared_list(r);
  if (!r.overlaps.empty()) body += overlaps_table(r);
  body += own_data_table(r);
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
