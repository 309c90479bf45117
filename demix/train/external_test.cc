#include "demix/train/external.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "demix/core/files.h"
#include "demix/core/json.h"
#include "demix/model/safetensors.h"
#include "demix/train/pico.h"
#include "tests/message_of.h"
#include "tests/processes.h"

namespace demix {
namespace {

// A checkpoint folder with one small tensor.
void write_checkpoint_folder(const std::filesystem::path& folder, std::vector<int64_t> shape) {
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "config.json", pico().to_json("float32").dump());
  const std::vector<float> values(6);
  const TensorView view{"a.weight", "F32", std::move(shape), std::as_bytes(std::span(values))};
  write_safetensors(folder / "model.safetensors", {&view, 1});
}

class External : public testing::Test {
 protected:
  ExternalJob job(std::string command) const {
    return {.name = "components/it's",
            .command = std::move(command),
            .mixture = {{"code", "math"}, {0.25, 0.75}},
            .output = folder_.path() / "out put",
            .base = folder_.path() / "base",
            .tokens = 1000,
            .seed = 7};
  }
  TemporaryFolder folder_;
};

TEST_F(External, TheCommandGetsMixtureAndFoldersAndLeavesACheckpoint) {
  write_checkpoint_folder(folder_.path() / "base", {2, 3});
  train_externally(
      job("cp {base}/* {output}/ && echo seed {seed} tokens {tokens} of {name} && cat {mixture}"));
  EXPECT_EQ(read_file(folder_.path() / "out put.log"),
            "seed 7 tokens 1000 of components/it's\ndataset,share\ncode,0.25\nmath,0.75\n");
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "out put/model.safetensors"));
}

TEST_F(External, ACommandMayChangeItsFolder) {
  write_checkpoint_folder(folder_.path() / "base", {2, 3});
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  ExternalJob relative = job("cd / && test -f {mixture} && cp {base}/* {output}/");
  relative.output = "out";
  relative.base = "base";
  train_externally(relative);
  std::filesystem::current_path(before);
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "out/model.safetensors"));
}

TEST_F(External, AFailingCommandIsReportedWithItsStatusAndLastLines) {
  const std::string message = message_of(
      [&] { train_externally(job("for i in $(seq 100); do echo line $i; done; exit 3")); });
  EXPECT_NE(message.find("exit status 3"), std::string::npos) << message;
  EXPECT_NE(message.find("line 100"), std::string::npos) << message;
  EXPECT_NE(message.find("line 81\n"), std::string::npos) << message;
  EXPECT_EQ(message.find("line 80\n"), std::string::npos) << message;
  EXPECT_NE(message_of([&] { train_externally(job("kill -9 $$")); }).find("signal 9"),
            std::string::npos);
}

TEST_F(External, ACommandThatFailsWithoutAWordIsSaidToHavePrintedNone) {
  const std::string message = message_of([&] { train_externally(job("exit 3")); });
  EXPECT_TRUE(message.ends_with("it printed nothing (" + (folder_ / "out put.log").string() + ")"))
      << message;
}

TEST_F(External, ACommandDoesNotOutliveUsWhenWeAreKilled) {
  const auto pid = folder_ / "pid";
  const pid_t us = fork();
  ASSERT_GE(us, 0);
  if (us == 0) {
    message_of([&] {
      train_externally(
          job(fmt::format("echo $$ > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 60", pid.string())));
    });
    _exit(1);
  }
  for (int i = 0; i < 2000 && !std::filesystem::exists(pid); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const pid_t command = std::stoi(read_file(pid));
  EXPECT_EQ(kill(command, 0), 0);
  kill(us, SIGKILL);
  waitpid(us, nullptr, 0);
  EXPECT_TRUE(ends_soon(command));
}

TEST_F(External, ACommandThatLeavesNoCheckpointIsReported) {
  EXPECT_NE(message_of([&] { train_externally(job("true")); }).find("no usable checkpoint"),
            std::string::npos);
}

}  // namespace
}  // namespace demix
