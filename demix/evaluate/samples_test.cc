#include "demix/evaluate/samples.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "demix/core/error.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

Task task_of_one(const std::string& name) {
  Item item;
  item.id = "7";
  item.gold = 1;
  item.chars = {2, 1};
  item.bytes = {3, 1};
  Task task;
  task.name = name;
  task.items = {item};
  return task;
}

TEST(Samples, AreOneLineForEachItem) {
  const TemporaryFolder folder;
  const std::vector<Task> tasks = {task_of_one("a"), task_of_one("b"), task_of_one("c")};
  std::vector<ItemScore> scores(3);
  for (ItemScore& score : scores) score.loglikelihoods = {-1.5, -2};
  scores[1].answers = {{"so 4", {"4", "4", {{"exact_match", 1}}, true}}};
  scores[2].answers = {{"x", {"4", "", {{"exact_match", 0}}, false}},
                       {"4", {"4", "4", {{"exact_match", 1}}, true}}};
  write_samples(folder / "samples.jsonl", tasks, scores);
  const std::string common = R"("loglikelihoods":[-1.5,-2.0],"chars":[2,1],"bytes":[3,1])";
  EXPECT_EQ(folder.read("samples.jsonl"),
            R"({"task":"a","id":"7","gold":1,)" + common + "}\n" +
                R"({"task":"b","id":"7","gold":"4",)" + common +
                R"(,"generated":"so 4","extracted":"4","exact_match":1.0})" + "\n" +
                R"({"task":"c","id":"7","gold":"4",)" + common +
                R"(,"generated":["x","4"],"extracted":["","4"],"exact_match":[0.0,1.0]})" + "\n");
}

TEST(Samples, AFullDiskIsNamedAndLeavesTheOldFile) {
  const TemporaryFolder folder;
  folder.write("samples.jsonl", "old\n");
  const std::vector<Task> tasks = {task_of_one("a")};
  std::vector<ItemScore> scores(1);
  scores[0].loglikelihoods.assign(10'000, -1.5);
  // What a limit on file sizes does to a writer, a full disk does too.
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit limit{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  std::string message = "no error";
  try {
    write_samples(folder / "samples.jsonl", tasks, scores);
  } catch (const Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_NE(message.find("samples.jsonl"), std::string::npos) << message;
  EXPECT_NE(message.find("limit on file sizes"), std::string::npos) << message;
  EXPECT_EQ(folder.read("samples.jsonl"), "old\n");
  EXPECT_FALSE(std::filesystem::exists(folder / "samples.jsonl.partial"));
}

}  // namespace
}  // namespace demix
