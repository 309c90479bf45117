#include "demix/report/summary.h"

#include <gtest/gtest.h>

#include "demix/report/sample_result.h"
#include "demix/report/trust.h"
#include "tests/message_of.h"

namespace demix {
namespace {

TEST(TerminalSummary, AsksThePagesQuestionsAndSetsFoundBesideNatural) {
  const RunResult r = sample_result();
  const std::string text = terminal_summary(r);
  for (const Verdict& verdict : verdicts(r)) {
    EXPECT_MENTIONS(text, verdict.question);
    EXPECT_MENTIONS(text, mark_of(verdict.kind));
    EXPECT_NE(verdict.brief, "") << verdict.question;
    EXPECT_MENTIONS(text, verdict.brief);
  }
  EXPECT_MENTIONS(text, "natural");
  EXPECT_MENTIONS(text, "lead −0.04 [−0.12, 0.05] over interpolating the components' scores");
  EXPECT_EQ(text.find("Do not act"), std::string::npos);
}

TEST(TerminalSummary, CountsWarningsAndShowsHowTheyBegin) {
  RunResult r = sample_result();
  r.warnings = {"The first is long: it says much.", "The second."};
  EXPECT_MENTIONS(terminal_summary(r),
                  "2 warnings; the page says more of them\n  The first is long\n  The second\n");
  r.warnings.assign(20, "The same. And more.");
  EXPECT_MENTIONS(terminal_summary(r), "  The same\n  and 14 more\n");
  r.warnings = {};
  EXPECT_EQ(terminal_summary(r).find("warning"), std::string::npos);
}

TEST(TerminalSummary, BeginsWithWhyNotToAct) {
  RunResult r = sample_result({.references = 0});
  r.gauge = {0.94, "The components lie too far from the base. Do not act.", {}, true};
  EXPECT_TRUE(terminal_summary(r).starts_with(
      "Do not act on this yet: the components lie too far from the base.\n"))
      << terminal_summary(r);
}

TEST(TerminalSummary, OfNothingIsShort) {
  RunResult r;
  EXPECT_EQ(terminal_summary(r), "");
  r.unfinished = "all of it";
  EXPECT_EQ(terminal_summary(r), "\nunfinished: all of it\n");
}

}  // namespace
}  // namespace demix
