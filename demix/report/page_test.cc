#include "demix/report/page.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/report/html.h"
#include "demix/report/sample_result.h"

namespace demix {
namespace {

size_t count(const std::string& text, std::string_view word) {
  size_t n = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++n;
  return n;
}

void expect_whole(const std::string& page) {
  for (const char* tag : {"section", "table", "tr", "svg", "g", "figure", "details", "div", "p"}) {
    const std::string name = tag;
    EXPECT_EQ(count(page, "<" + name + ">") + count(page, "<" + name + " "),
              count(page, "</" + name + ">"))
        << tag;
  }
  // An unknown number is shown as a dash, and no coordinate depends on one.
  EXPECT_EQ(count(page, "nan"), count(page, "dominan")) << page.substr(page.find("nan") - 60, 120);
  EXPECT_EQ(count(page, "inf%"), 0u);
  EXPECT_EQ(count(page, "\"inf"), 0u);
  EXPECT_NE(page.find("How far to trust it"), std::string::npos);
}

TEST(Page, ShowsTheMixtureAndHowFarToTrustIt) {
  const std::string page = render_page(sample_result());
  expect_whole(page);
  EXPECT_NE(page.find("<b>58.4\u202f%</b>&nbsp;prose_reference"), std::string::npos);
  EXPECT_NE(page.find("nothing of prose_ocr_noise"), std::string::npos);
  EXPECT_NE(
      page.find("Spearman 0.86 [0.71, 0.91] on average over the domains, with 16 really trained"),
      std::string::npos);
  EXPECT_NE(page.find("? No evidence"), std::string::npos)
      << "the proxy's interval overlaps interpolation's";
  EXPECT_EQ(count(page, "<figure class=\"panel\">"), 9u) << "three choosers on three domains";
  EXPECT_EQ(count(page, "class=\"strip\""), 15u) << "three domains and twelve tasks";
}

TEST(Page, SaysFirstOfAllWhyNotToAct) {
  RunResult r = sample_result();
  EXPECT_EQ(render_page(r).find("Do not act on this yet"), std::string::npos);
  r.gauge = {0.94, "The components lie too far from the base. Do not act.", {}, true};
  EXPECT_EQ(render_page(r).find("Do not act on this yet"), std::string::npos)
      << "references have confirmed the proxies";
  r.fidelity.proxy.macro.spearman.low = 0.2;
  const std::string page = render_page(r);
  expect_whole(page);
  EXPECT_NE(page.find("<p class=\"answer\"><strong class=\"objection\">Do not act on this yet: the "
                      "components lie too far from the base.</strong> What was found is <b>58.4"),
            std::string::npos);
  EXPECT_NE(page.find("± Better than chance"), std::string::npos);
}

TEST(Page, WarningsStandUnderTheHeadlineAndManyAreFolded) {
  RunResult r = sample_result();
  std::string page = render_page(r);
  EXPECT_LT(page.find("class=\"answer\""), page.find("id=\"warnings\""));
  EXPECT_LT(page.find("id=\"warnings\""), page.find("id=\"trust\""));
  EXPECT_EQ(page.find("<summary>1 more"), std::string::npos);
  r.warnings = {"one", "two", "three", "four"};
  EXPECT_EQ(render_page(r).find("<summary>1 more"), std::string::npos);
  r.warnings.push_back("five");
  page = render_page(r);
  expect_whole(page);
  EXPECT_NE(page.find("5 warnings"), std::string::npos);
  EXPECT_NE(page.find("<li>three</li></ul><details><summary>2 more</summary><ul><li>four</li>"),
            std::string::npos);
}

TEST(Page, ShowsPredictedBesideMeasuredTolerancesAndTheFront) {
  RunResult result = sample_result();
  std::string page = render_page(result);
  for (const char* part : {"Predicted and measured",
                           "flattened",
                           "How far each share can move",
                           "Trade-offs between domains",
                           "that had no part in the choice, 20",
                           "One more proxy is expected to gain 0.031"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  result.search_end.select_share = 1;
  result.front.clear();
  page = render_page(result);
  EXPECT_EQ(page.find("no part in the choice"), std::string::npos);
  EXPECT_EQ(page.find("Trade-offs"), std::string::npos);
}

TEST(Page, LoadsNothingFromAnywhere) {
  const std::string page = render_page(sample_result());
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(count(page, "http://") + count(page, "https://"),
            count(page, "http://www.w3.org/2000/svg"));
  EXPECT_EQ(count(page, "src=") + count(page, "@import") + count(page, "url("), 0u);
}

TEST(Page, EscapesEverythingFromOutside) {
  const std::string evil = "</script><script>alert(1)</script>\"'&";
  RunResult r = sample_result();
  r.name = r.unfinished = r.objective = r.device = r.command = r.config_yaml = evil;
  for (auto& d : r.datasets) d.name += evil, d.path = evil;
  for (auto& d : r.domains) d.unit = evil;
  for (auto& t : r.tasks) t.name += evil, t.metric = evil;
  for (auto& m : r.references) m.name += evil;
  for (auto& m : r.models) m.name += evil, m.kind = evil;
  for (auto& p : r.predictors) p.name = p.metric = evil;
  r.natural.note = evil;
  r.warnings = {evil};
  r.versions = {{evil, evil}};
  r.cost.seconds.emplace_back(evil, 3.0);
  for (const size_t i : {0, 1, 2}) r.domains[i].name += evil;
  for (auto& t : r.tasks) t.domain += evil;
  for (auto& d : r.datasets) d.domain += evil;
  const std::string page = render_page(r);
  EXPECT_EQ(count(page, "<script>"), 1u);
  EXPECT_EQ(count(page, "</script>"), 1u);
  EXPECT_EQ(count(page, "alert(1)</"), 0u);
  EXPECT_GT(count(page, "&lt;script&gt;"), 60u);
}

TEST(Page, PartlyFinishedRunsRender) {
  expect_whole(render_page(RunResult{}));
  EXPECT_NE(render_page(RunResult{}).find("No mixture has been found yet."), std::string::npos);

  RunResult corpus_only;
  corpus_only.datasets = sample_result().datasets;
  corpus_only.unfinished = "No model has been trained yet.";
  expect_whole(render_page(corpus_only));

  const RunResult no_references = sample_result({.references = 0});
  const std::string page = render_page(no_references);
  expect_whole(page);
  EXPECT_NE(page.find("No reference has been trained yet"), std::string::npos);
}

TEST(Page, UnusualSizesRender) {
  const std::string one = render_page(sample_result({.datasets = 3, .domains = 1}));
  expect_whole(one);
  EXPECT_EQ(count(one, "macro average"), 0u) << "of one domain says nothing new";
  const std::string many = render_page(sample_result(
      {.datasets = 50, .domains = 12, .references = 20, .rounds = {40, 20, 10, 5, 2}}));
  expect_whole(many);
  EXPECT_NE(many.find("30 more datasets"), std::string::npos);
}

TEST(Page, UnknownNumbersEverywhereRender) {
  RunResult r = sample_result();
  const auto forget = [](auto& values) {
    for (auto& value : values) value = {kUnknown, kUnknown};
  };
  r.mixture.assign(7, kUnknown);
  r.merge_weights.assign(7, kUnknown);
  for (MixtureFacts* m : {&r.uniform, &r.natural, &r.found}) {
    m->mixture.assign(7, kUnknown);
    forget(m->proxy.domains), forget(m->proxy.tasks);
    forget(m->trained.domains), forget(m->trained.tasks);
  }
  for (MixtureFacts& m : r.references) forget(m.trained.domains), forget(m.interpolation);
  for (SearchedProxy& p : r.search) p.objective = p.predicted_objective = kUnknown;
  r.fidelity.proxy = {};
  for (TrainedModel& m : r.models) m.epochs_by_dataset.clear(), m.seconds = kUnknown;
  r.cost.seconds = {{"train", kUnknown}};
  r.target_tokens = kUnknown;
  expect_whole(render_page(r));
}

// As an evaluation command may leave them.
TEST(Page, ScoresWithoutErrorsRender) {
  RunResult r = sample_result();
  const auto forget = [](auto& values) {
    for (auto& value : values) value.standard_error = kUnknown;
  };
  for (MixtureFacts* m : {&r.uniform, &r.natural, &r.found}) {
    for (ModelScores* scores : {&m->proxy,
                                &m->trained,
                                &m->predicted,
                                &m->measured,
                                &m->found_gain,
                                &m->found_gain_proxy})
      forget(scores->domains), forget(scores->tasks);
  }
  for (MixtureFacts& m : r.references) {
    for (ModelScores* scores : {&m.proxy, &m.trained, &m.predicted, &m.measured})
      forget(scores->domains), forget(scores->tasks);
    forget(m.interpolation);
  }
  for (SearchedProxy& p : r.search) forget(p.domains);
  forget(r.predicted);
  expect_whole(render_page(r));
}

TEST(Html, EscapesTextButNotMarkup) {
  EXPECT_EQ(html("<b>{}</b>", "a<b>&\"'").text, "<b>a&lt;b&gt;&amp;&quot;&#39;</b>");
  EXPECT_EQ(html("{}{}", html("<i>"), 3).text, "<i>3");
  EXPECT_EQ(escaped(std::string("\0\x1b", 2)), "\uFFFD\uFFFD");
  EXPECT_EQ(breakable("a_b<").text, "a_<wbr>b&lt;");
}

TEST(Numbers, AreShownAsPeopleReadThem) {
  EXPECT_EQ(show(-1.25, 1), "−1.2");
  EXPECT_EQ(show(-0.001, 2), "0.00") << "no minus zero";
  EXPECT_EQ(show(kUnknown, 2), "–");
  EXPECT_EQ(show_percent(0.6123), "61.2\u202f%");
  EXPECT_EQ(show_percent(1e-5), "<0.1\u202f%");
  EXPECT_EQ(show_percent(0), "0.0\u202f%");
  EXPECT_EQ(show_count(9999), "9999");
  EXPECT_EQ(show_count(999960), "1.00M");
  EXPECT_EQ(show_count(1278e9), "1.28T");
  EXPECT_EQ(show_bytes(1.5e9), "1.5\u202fGB");
  EXPECT_EQ(show_seconds(59.6), "1\u202fmin 0\u202fs");
  EXPECT_EQ(show_seconds(4321), "1\u202fh 12\u202fmin");
  EXPECT_EQ(decimals_for(0.012), 3);
  EXPECT_EQ(decimals_for(2.5), 1);
}

}  // namespace
}  // namespace demix
