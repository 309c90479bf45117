#include "demix/report/page.h"

#include "demix/report/assets.h"
#include "demix/report/html.h"
#include "demix/report/sections.h"

namespace demix {
namespace {

// Nothing may be loaded from anywhere, whatever stands in the page.
constexpr const char* kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

constexpr const char* kIcon =
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%230b63a8'/%3E"
    "%3Cpath d='M3 12V9h2v3zm4 0V4h2v8zm4 0V7h2v5z' fill='white'/%3E%3C/svg%3E";

Html head(const RunResult& r) {
  return html(R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{}">
<meta name="color-scheme" content="light dark">
<title>{}</title><link rel="icon" href="{}">
<style>{}</style></head>
)",
              Html{kPolicy},
              r.name.empty() ? "demix" : r.name + " · demix",
              Html{kIcon},
              Html{std::string(kStyle)});
}

// "7 datasets · 3 domains · 28 proxies · 16 references · seed 42"
Html summary(const RunResult& r) {
  std::string text;
  const auto add = [&](size_t n, const char* one, const char* many) {
    if (n > 0) text += fmt::format("{}{} {}", text.empty() ? "" : " · ", n, n == 1 ? one : many);
  };
  add(r.datasets.size(), "dataset", "datasets");
  add(r.domains.size(), "domain", "domains");
  add(r.tasks.size(), "task", "tasks");
  add(r.search.size(), "proxy searched", "proxies searched");
  add(static_cast<size_t>(r.fidelity.references), "reference", "references");
  if (!r.device.empty()) text += (text.empty() ? "" : " · ") + r.device;
  return html("{}", text);
}

Html header(const RunResult& r) {
  return html(R"(<header><div class="brand"><span>demix</span>
<nav aria-label="Sections"><a href="#mixture">Mixture</a><a href="#trust">Trust</a><a href="#fidelity">Fidelity</a><a href="#scores">Scores</a><a href="#search">Search</a><a href="#consumption">Data</a><a href="#cost">Cost</a><a href="#reproduce">Repeat</a></nav>
<button type="button" id="theme" hidden>theme</button></div>
<h1>{}</h1><p class="summary">{}</p>{}</header>
)",
              r.name.empty() ? "A data mixture" : r.name,
              summary(r),
              r.unfinished.empty()
                  ? Html{}
                  : html(R"(<p class="unfinished"><b>Not finished.</b> {}</p>)", r.unfinished));
}

}  // namespace

Html section(
    const char* id, const char* title, const Html& lead, const Html& body, const char* missing) {
  return html(R"(<section id="{}"><h2>{}</h2>{}{}</section>
)",
              id,
              title,
              lead.empty() ? Html{} : html(R"(<p class="lead">{}</p>)", lead),
              body.empty() ? html(R"(<p class="missing">{}</p>)", missing) : body);
}

Html scrollable(const Html& table) {
  return html(R"(<div class="scroll" tabindex="0">{}</div>)", table);
}

std::string render_page(const RunResult& r) {
  Html page = head(r);
  page += html("<body>");
  page += header(r);
  page += html("<main>\n");
  page += answer_section(r);
  page += fidelity_section(r);
  page += scores_section(r);
  page += search_section(r);
  page += consumption_section(r);
  page += cost_section(r);
  page += reproduce_section(r);
  page += glossary_section();
  page += html(
      R"(</main><footer>demix finds a data mixture by merging models instead of training them.</footer>
<div id="tip" role="status" hidden></div><script>{}</script></body></html>
)",
      Html{std::string(kScript)});
  return std::move(page.text);
}

}  // namespace demix
