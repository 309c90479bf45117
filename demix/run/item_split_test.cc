#include "demix/run/item_split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/rng.h"

namespace demix {
namespace {

Task task_of(const std::string& name, int items) {
  Task task;
  task.name = name;
  for (int i = 0; i < items; ++i) {
    task.items.emplace_back();
    task.items.back().id = "item_" + std::to_string(i);
  }
  return task;
}

ItemTerms random_terms(size_t count, uint64_t seed) {
  Rng rng(seed);
  ItemTerms terms;
  for (size_t i = 0; i < count; ++i) {
    terms.x.push_back(rng.normal());
    terms.y.push_back(1 + rng.uniform());
  }
  return terms;
}

TEST(ItemSplit, ASearchScoresTheSelectionOrAShareThatGrowsInPlace) {
  const Task task = task_of("a", 400);
  const std::vector<Task> tasks = {task, task_of("few", 5)};
  const ItemSplit half(tasks, 0.5), most(tasks, 0.8), whole(tasks, 1);
  const auto selection = half.searched("a", 400, 1), larger = most.searched("a", 400, 1);
  EXPECT_NEAR(static_cast<double>(selection.size()), 200, 2.5 * 10);
  EXPECT_NEAR(static_cast<double>(larger.size()), 320, 2.5 * 8);
  EXPECT_TRUE(std::includes(larger.begin(), larger.end(), selection.begin(), selection.end()));
  EXPECT_EQ(whole.searched("a", 400, 1).size(), 400u);
  const auto tenth = half.searched("a", 400, 0.1), fifth = half.searched("a", 400, 0.2);
  EXPECT_EQ(tenth.size(), 40u);
  EXPECT_EQ(fifth.size(), 80u);
  EXPECT_TRUE(std::includes(fifth.begin(), fifth.end(), tenth.begin(), tenth.end()));
  EXPECT_TRUE(std::includes(selection.begin(), selection.end(), fifth.begin(), fifth.end()));
  EXPECT_EQ(most.searched("a", 400, 0.2), fifth) << "the same ones whatever is kept apart";
  EXPECT_EQ(half.searched("a", 400, 0.001).size(), 2 * ItemSplit::kFewestInPart);
  EXPECT_EQ(half.searched("few", 5, 0.1).size(), 5u);
  EXPECT_EQ(half.searched("held_out/x", 60, 0.2).size(), 12u);

  Task all = task;
  all.hash = "all";
  EXPECT_EQ(whole.searched(all, 1).hash, "all");
  const Task part = half.searched(all, 0.1);
  ASSERT_EQ(part.items.size(), 40u);
  EXPECT_EQ(part.items[3].id, task.items[tenth[3]].id);
  EXPECT_NE(part.hash, "all");
  EXPECT_NE(part.hash, half.searched(all, 0.2).hash);
}

TEST(ItemSplit, EachMemberOfAGroupKeepsAnItem) {
  Task group = task_of("group", 100);
  group.members = {{"one", 1}, {"large", 90}, {"small", 9}};
  const ItemSplit split({group}, 0.5);
  const Task part = split.searched(group, 0.1);
  ASSERT_EQ(part.members.size(), 3u);
  int64_t items = 0;
  for (const Task::Member& member : part.members) {
    EXPECT_GE(member.items, 1) << member.name;
    items += member.items;
  }
  EXPECT_EQ(items, static_cast<int64_t>(part.items.size()));
  EXPECT_EQ(part.members[0].items, 1);
}

TEST(ItemSplit, TheTwoAreDisjointAndMakeTheWhole) {
  const ItemSplit split({task_of("a", 400)}, 0.5);
  TermsByMetric all;
  all["a"]["bpb"] = random_terms(400, 1);
  all["held_out/x"]["bpb"] = random_terms(60, 2);
  const auto one = split.terms_of(all, Part::kSelection),
             other = split.terms_of(all, Part::kReport);
  for (const char* task : {"a", "held_out/x"}) {
    const ItemTerms &a = one.at(task).at("bpb"), &b = other.at(task).at("bpb"),
                    &whole = all.at(task).at("bpb");
    EXPECT_EQ(a.x.size() + b.x.size(), whole.x.size());
    EXPECT_NEAR(static_cast<double>(a.x.size()),
                static_cast<double>(whole.x.size()) / 2,
                2.5 * std::sqrt(whole.x.size()) / 2);
    const auto sum = [](const std::vector<double>& x) {
      return std::accumulate(x.begin(), x.end(), 0.0);
    };
    EXPECT_NEAR(sum(a.x) + sum(b.x), sum(whole.x), 1e-9);
    EXPECT_NEAR(sum(a.y) + sum(b.y), sum(whole.y), 1e-9);
  }
  EXPECT_NEAR(split.scores_of(all, Part::kReport).tasks.at("a").at("bpb").value,
              metric_value(other.at("a").at("bpb")).value,
              1e-12);
  EXPECT_TRUE(split.undivided(all).empty());
  Scores whole;
  whole.tasks["generated"]["exact_match"] = {0.5, 0.1, 100};
  const Scores some = split.scores_of(all, Part::kReport, whole);
  EXPECT_EQ(some.tasks.at("generated").at("exact_match").value, 0.5);
  EXPECT_EQ(some.tasks.size(), 3u);
}

TEST(ItemSplit, AnItemStaysInItsPartWhateverElseThereIs) {
  const ItemSplit few({task_of("a", 50)}, 0.5), many({task_of("b", 9), task_of("a", 80)}, 0.5);
  TermsByMetric short_terms, long_terms;
  for (int i = 0; i < 80; ++i) {
    for (TermsByMetric* terms : {&short_terms, &long_terms}) {
      if (terms == &short_terms && i >= 50) continue;
      (*terms)["a"]["acc"].x.push_back(i);
      (*terms)["a"]["acc"].y.push_back(1);
    }
  }
  const auto a = few.terms_of(short_terms, Part::kReport).at("a").at("acc").x;
  const auto b = many.terms_of(long_terms, Part::kReport).at("a").at("acc").x;
  ASSERT_LT(a.size(), b.size());
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
}

TEST(ItemSplit, ATaskOfFewItemsIsWholeInBoth) {
  const ItemSplit split({task_of("a", 5)}, 0.5);
  TermsByMetric all;
  all["a"]["acc"] = random_terms(5, 1);
  for (const Part part : {Part::kSelection, Part::kReport})
    EXPECT_EQ(split.terms_of(all, part).at("a").at("acc").x, all.at("a").at("acc").x);
  EXPECT_EQ(split.undivided(all), (std::vector<std::string>{"a"}));
}

TEST(ItemSplit, ReportedGainsAreNotThoseOfTheLuckThatWasSelected) {
  // Forty models without any difference: the best of the selection gains there, and nothing on
  // what is reported.
  const ItemSplit split({task_of("a", 1000)}, 0.5);
  double selected = 0, reported = 0;
  for (uint64_t trial = 0; trial < 30; ++trial) {
    double best = -1e9, its_report = 0;
    for (uint64_t model = 0; model < 40; ++model) {
      TermsByMetric terms;
      terms["a"]["acc"] = random_terms(1000, 1 + trial * 100 + model);
      terms["a"]["acc"].y.assign(1000, 1);
      const double score = split.scores_of(terms, Part::kSelection).tasks.at("a").at("acc").value;
      if (score <= best) continue;
      best = score;
      its_report = split.scores_of(terms, Part::kReport).tasks.at("a").at("acc").value;
    }
    selected += best / 30;
    reported += its_report / 30;
  }
  EXPECT_GT(selected, 0.08);  // about 2.2 standard errors of 1/√500
  EXPECT_NEAR(reported, 0, 3.5 / std::sqrt(500 * 30));
}

}  // namespace
}  // namespace demix
