#include "demix/report/mixture_csv.h"
#include "demix/report/sections.h"

namespace demix {
namespace {

Html copyable(const char* what, const std::string& text) {
  return html(R"(<div class="copyable"><h3>{}</h3><pre tabindex="0"><code>{}</code></pre></div>)",
              what,
              text);
}

}  // namespace

Html reproduce_section(const RunResult& r) {
  Html body;
  if (!r.command.empty()) body += copyable("The command", r.command);
  if (const std::string blend = megatron_blend(r); !blend.empty()) {
    body += copyable("The mixture as a Megatron blend", blend);
  }
  Html facts = html("<dt>seed</dt><dd>{}</dd>", r.seed);
  if (!r.device.empty()) facts += html("<dt>device</dt><dd>{}</dd>", r.device);
  for (const auto& [name, version] : r.versions)
    facts += html("<dt>{}</dt><dd>{}</dd>", name, version);
  body += html(R"(<dl class="facts">{}</dl>)", facts);
  if (!r.config_yaml.empty()) {
    body += html(R"(<details><summary>The whole configuration</summary>{}</details>)",
                 copyable("config.yaml", r.config_yaml));
  }
  body += html(
      R"(<p class="lead">Beside this page: <a href="result.json">result.json</a>, )"
      R"(<a href="mixture.csv">mixture.csv</a>, <a href="megatron_blend.txt">megatron_blend.txt</a>.</p>)");
  return section("reproduce", "How to repeat it", {}, body, "");
}

Html glossary_section() {
  return html(
      R"(<section id="words"><details><summary>Words used on this page</summary><dl class="glossary">
<dt>component</dt><dd>A model trained, from the shared base, on one dataset (mixed with an anchor dataset).</dd>
<dt>merged proxy</dt><dd>A weighted average of the components' weights. It stands in for the model that would be trained on the mixture, at no training cost.</dd>
<dt>ensemble</dt><dd>The weighted average of the probabilities that the components give to each token. It stands in for the trained model too, and needs no pass of a model for a mixture.</dd>
<dt>merge weight α, data share p</dt><dd>α weighs the components; p is the share of the training data. They differ because components share anchor data: p = αᵀC, with row i of C the data that component i was trained on.</dd>
<dt>reference</dt><dd>A model really trained on a mixture, to check the proxies against: on natural, uniform, found, and on random mixtures that the search never saw.</dd>
<dt>uniform, natural</dt><dd>Equal merge weights; and the token counts as shares, moved to the nearest mixture that the components can express.</dd>
<dt>interpolation, own data share</dt><dd>Two estimates that need no merging: the average of the components' scores by merge weight, and how much of the mixture is the domain's own data.</dd>
<dt>Spearman, Pearson</dt><dd>Agreement of two rankings, or of two lists of values, from −1 to 1; 0 is none. Best quarter: among the best 25 % of the references only.</dd>
<dt>capability recovery</dt><dd>Mean proxy score over mean reference score, for scores of which more is better; not defined for losses.</dd>
<dt>regret</dt><dd>How much better the best reference is than the one the chooser ranks first, in standard deviations of the references' scores.</dd>
<dt>drift δ</dt><dd>|Θ − Θ_base| / (|Θ| + |Θ_base|): how far training moved the weights. Merging needs it to be small.</dd>
<dt>bits per byte (bpb), choice probability</dt><dd>Bits needed to spell out the right answer, per byte, lower is better; and the probability of the right choice among all choices.</dd>
<dt>95 %</dt><dd>Intervals hold the true value in 95 of 100 repetitions. What they leave open is called “no evidence”.</dd>
</dl></details></section>)");
}

}  // namespace demix
