#include "demix/train/metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "demix/core/files.h"
#include "demix/core/json.h"
#include "demix/train/pico.h"

namespace demix {
namespace {

TEST(Metrics, LinesAfterTheCheckpointAreCutOffBeforeTheyAreWrittenAgain) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  {
    MetricsFile file(path, 0);
    for (int64_t step = 1; step <= 4; ++step)
      file.add({.step = step, .tokens = step * 8, .loss = 1.0 / 3.0});
  }
  // A killed process may leave half a line.
  std::ofstream(path, std::ios::app) << "{\"step\":5,\"to";
  {
    MetricsFile file(path, 2);
    file.add({.step = 3, .tokens = 24, .loss = 0.5});
  }
  std::istringstream lines(read_file(path));
  std::string line;
  for (int64_t step = 1; step <= 3; ++step) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(Json::parse(line).at("step"), step);
    EXPECT_EQ(Json::parse(line).at("loss"), step < 3 ? 1.0 / 3.0 : 0.5);
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST(Metrics, TheLastLineAuditsWhatWasConsumed) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  MetricsFile(path, 0).add_consumed(7, {"code", "math"}, {.tokens = {10, 20}, .epochs = {0.5, 2}});
  const Json line = Json::parse(read_file(path));
  EXPECT_EQ(line.at("step"), 7);
  EXPECT_EQ(line.at("consumed").at("math").at("tokens"), 20);
  EXPECT_EQ(line.at("consumed").at("math").at("epochs"), 2.0);
}

}  // namespace
}  // namespace demix
