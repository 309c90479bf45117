#include "demix/report/chance.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

TEST(AtChance, OnlyWhenNoModelIsClearlyBetterThanGuessing) {
  TaskFacts task{.name = "piqa", .chance = 0.5};
  EXPECT_TRUE(at_chance(task, {{0.51, 0.01}, {0.49, 0.01}}));
  EXPECT_FALSE(at_chance(task, {{0.51, 0.01}, {0.53, 0.01}}));
  EXPECT_FALSE(at_chance(task, {})) << "nothing is known";
  task.higher_is_better = false;
  EXPECT_FALSE(at_chance(task, {{0.40, 0.01}}));
  task.chance = kUnknown;
  EXPECT_FALSE(at_chance(task, {{0.51, 0.01}}));
}

TEST(AtChance, IsWarnedOfOnceForAllTasksThatCount) {
  RunResult r;
  EXPECT_EQ(warning_of_chance(r), "");
  for (const char* name : {"piqa", "winogrande", "arc_easy", "uncounted"})
    r.tasks.push_back({.name = name, .domain = "general", .metric = "acc", .chance = 0.5});
  r.tasks.back().domain = "";
  EXPECT_EQ(warning_of_chance(r), "") << "nothing is known";
  r.found.proxy.tasks = {{0.51, 0.01}, {0.49, 0.01}, {0.6, 0.01}, {0.5, 0.01}};
  EXPECT_TRUE(warning_of_chance(r).starts_with(
      "At chance: piqa (acc, domain general) and winogrande (acc, domain general). No model"))
      << warning_of_chance(r);
  r.uniform.trained.tasks = {{0.7, 0.01}, {0.5, 0.01}, {0.5, 0.01}, {0.5, 0.01}};
  EXPECT_TRUE(warning_of_chance(r).starts_with("At chance: winogrande (acc, domain general). "))
      << warning_of_chance(r);
}

}  // namespace
}  // namespace demix
