#include "demix/run/coordinator.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/run/run_config.h"
#include "demix/run/worker.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

using std::chrono::milliseconds;

class CoordinatorTest : public testing::Test {
 protected:
  CoordinatorTest() : journal_(folder_ / "journal.sqlite") { start(); }

  void start() {
    coordinator_.emplace(
        Address{"127.0.0.1", 0},
        RunConfig(),
        folder_.path(),
        journal_,
        CoordinatorTimes{
            .look = milliseconds(2), .silence = milliseconds(300), .farewell = milliseconds(300)});
  }

  // A worker's side, which does what the test says.
  struct Fellow {
    std::unique_ptr<Rendezvous> rendezvous;
    int64_t id = 0;

    std::string key(const char* what) const { return fmt::format("{}/{}", what, id); }
    void beat() { rendezvous->add(key("beats"), 1); }
    std::optional<Json> job() {
      const auto text = rendezvous->take(key("to"));
      if (!text) return std::nullopt;
      return Json::parse(*text);
    }
    void answer(const Json& json) { rendezvous->put(key("from"), json.dump()); }
  };
  Fellow fellow() const {
    const Json json = Json::parse(read_file(coordinator_file(folder_.path())));
    const int before = coordinator_->workers();
    Fellow fellow{Rendezvous::join({json.at("host"), json.at("port")}, json.at("secret"))};
    fellow.id = fellow.rendezvous->add("ids", 1);
    fellow.rendezvous->put(fellow.key("worker"), "a test");
    for (int i = 0; i < 5000 && coordinator_->workers() == before; ++i)
      std::this_thread::sleep_for(milliseconds(1));
    EXPECT_EQ(coordinator_->workers(), before + 1);
    return fellow;
  }
  // Units that are counted where they are done here, each after a while.
  std::vector<Unit> units(int count) {
    std::vector<Unit> units;
    for (int i = 0; i < count; ++i)
      units.push_back(
          {.name = fmt::format("unit {}", i),
           .job = {{"number", i}},
           .here =
               [this] {
                 std::this_thread::sleep_for(milliseconds(30));
                 ++here_;
               },
           .is_recorded =
               [this, i] { return journal_.find("score", fmt::format("key {}", i)).has_value(); }});
    return units;
  }
  int done_of(std::span<const Unit> units) {
    int done = 0;
    do_all(&*coordinator_, units, 1, [&](size_t) { ++done; });
    return done;
  }

  TemporaryFolder folder_;
  Journal journal_;
  std::optional<Coordinator> coordinator_;
  std::atomic<int> here_ = 0;
};

TEST_F(CoordinatorTest, DoesAllItselfWithoutWorkers) {
  EXPECT_EQ(done_of(units(3)), 3);
  EXPECT_EQ(here_, 3);
}

TEST_F(CoordinatorTest, SharesWithWorkersAndRecordsTheirEntries) {
  journal_.put("model", "known", "base", {{"tokens", 1}});
  Fellow worker = fellow();
  int there = 0;
  std::jthread thread([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      worker.beat();
      if (const auto job = worker.job()) {
        EXPECT_EQ(job->at("known").at(0).at("key"), "known");
        ++there;
        const int number = job->at("number");
        worker.answer({{"entries",
                        {{{"kind", "score"},
                          {"key", fmt::format("key {}", number)},
                          {"name", "n"},
                          {"value", number}}}}});
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  EXPECT_EQ(done_of(units(12)), 12);
  thread.request_stop();
  thread.join();
  EXPECT_GT(there, 0);
  EXPECT_EQ(there + here_, 12);
  EXPECT_EQ(journal_.all("score").size(), static_cast<size_t>(there));
}

TEST_F(CoordinatorTest, GivesUpAWorkerThatIsSilent) {
  Fellow worker = fellow();
  EXPECT_EQ(done_of(units(4)), 4);
  EXPECT_TRUE(worker.job());  // which it never did
  EXPECT_EQ(here_, 4);
  EXPECT_EQ(coordinator_->workers(), 0);
  // What comes late is kept.
  worker.answer({{"entries", {{{"kind", "score"}, {"key", "late"}, {"name", ""}, {"value", 1}}}}});
  for (int i = 0; i < 1000 && !journal_.find("score", "late"); ++i)
    std::this_thread::sleep_for(milliseconds(2));
  EXPECT_TRUE(journal_.find("score", "late"));
}

TEST_F(CoordinatorTest, DoesItselfWhatAWorkerFailsAt) {
  Fellow worker = fellow();
  std::jthread thread([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      worker.beat();
      if (worker.job()) worker.answer({{"error", "no space"}});
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  EXPECT_EQ(done_of(units(3)), 3);
  EXPECT_EQ(here_, 3);
}

TEST_F(CoordinatorTest, GivesAWorkerThatFailedNoMoreOfThatBatch) {
  Fellow broken = fellow(), sound = fellow();
  std::atomic<int> failed = 0, there = 0;
  std::jthread thread([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      broken.beat();
      sound.beat();
      if (broken.job()) {
        ++failed;
        broken.answer({{"error", "no CUDA"}});
      }
      if (const auto job = sound.job()) {
        ++there;
        const auto key = fmt::format("key {}", job->at("number").get<int>());
        sound.answer(
            {{"entries", {{{"kind", "score"}, {"key", key}, {"name", ""}, {"value", 1}}}}});
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  EXPECT_EQ(done_of(units(12)), 12);
  EXPECT_EQ(failed, 1);
  EXPECT_MENTIONS(fmt::format("{}", fmt::join(warnings(), "\n")),
                  "failed at worker 1 (a test): no CUDA. The coordinator does it instead");
  EXPECT_GT(there, 1);
  EXPECT_EQ(there + here_, 12);
  EXPECT_EQ(done_of(units(12)), 12);
  thread.request_stop();
  thread.join();
  EXPECT_EQ(failed, 2);  // what was amiss may have been mended
}

TEST_F(CoordinatorTest, GreetsThoseWhoComeAfterOneThatDiedWhileJoining) {
  const Fellow first = fellow();
  first.rendezvous->add("ids", 1);
  fellow();
  EXPECT_EQ(coordinator_->workers(), 2);
}

TEST_F(CoordinatorTest, SurvivesAnswersThatAreNone) {
  for (const char* text : {"[", "{}", R"({"entries": [{"kind": 3}]})", R"({"entries": []})"}) {
    coordinator_.reset();
    start();
    Fellow worker = fellow();
    here_ = 0;
    std::jthread thread([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        worker.beat();
        if (worker.job()) worker.rendezvous->put(worker.key("from"), text);
        std::this_thread::sleep_for(milliseconds(1));
      }
    });
    EXPECT_EQ(done_of(units(2)), 2) << text;
    EXPECT_EQ(here_, 2) << text;
  }
}

TEST_F(CoordinatorTest, ThrowsWhatFailsHere) {
  std::vector<Unit> some = units(2);
  some[1].here = [] { throw Error("diverged"); };
  EXPECT_EQ(message_of([&] { done_of(some); }), "diverged");
  EXPECT_EQ(message_of([&] { do_all(nullptr, some, 2, [](size_t) {}); }), "diverged");
}

TEST_F(CoordinatorTest, TellsWorkersThatTheRunIsOver) {
  Fellow worker = fellow();
  std::jthread thread([&] {
    while (!worker.rendezvous->has("over")) std::this_thread::sleep_for(milliseconds(1));
    worker.rendezvous->put(worker.key("left"), "");
  });
  coordinator_.reset();
  EXPECT_FALSE(std::filesystem::exists(coordinator_file(folder_.path())));
}

TEST_F(CoordinatorTest, ListensWhereItIsTold) {
  EXPECT_EQ(coordinator_->address().host, "127.0.0.1");
  EXPECT_GT(coordinator_->address().port, 0);
  EXPECT_EQ(std::filesystem::status(coordinator_file(folder_.path())).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_FALSE(Rendezvous::join({"127.0.0.1", 1}, "s"));
  EXPECT_MENTIONS(message_of([&] {
                    Coordinator(coordinator_->address(), RunConfig(), folder_.path(), journal_);
                  }),
                  "cannot be listened at");
}

TEST(Rendezvous, CarriesValuesOfAnySize) {
  const auto server = Rendezvous::serve({"127.0.0.1", 0}, "secret/");
  const auto client = Rendezvous::join(server->address(), "secret/");
  constexpr size_t kMiB = size_t{1} << 20;
  for (const size_t bytes : {size_t{0}, size_t{1}, 4 * kMiB, 4 * kMiB + 1, 12 * kMiB, 21 * kMiB}) {
    std::string value(bytes, '\0');
    for (size_t i = 0; i < bytes; ++i) value[i] = static_cast<char>(i * 2654435761u >> 13);
    client->put("key", value);
    EXPECT_TRUE(client->has("key"));  // so that it has arrived
    EXPECT_TRUE(server->get("key") == value) << bytes;
    EXPECT_EQ(client->has("key/0"), bytes > 4 * kMiB);
    EXPECT_TRUE(server->take("key") == value) << bytes;
    EXPECT_FALSE(client->take("key"));
    for (int part = 0; part < 6; ++part) EXPECT_FALSE(client->has(fmt::format("key/{}", part)));
  }
  client->put("key", "3:text");
  EXPECT_EQ(server->take("key"), "3:text");
}

TEST(Worker, EndsWhenNothingComesBackThoughNoConnectionBreaks) {
  const TemporaryFolder folder;
  // A process that is stopped is as silent as a network that is cut.
  const pid_t coordinator = fork();
  ASSERT_GE(coordinator, 0);
  if (coordinator == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Journal journal(folder / "journal.sqlite");
    const Coordinator silent({"127.0.0.1", 0}, RunConfig(), folder.path(), journal);
    while (silent.workers() == 0) std::this_thread::sleep_for(milliseconds(1));
    raise(SIGSTOP);
    _exit(0);
  }
  EXPECT_EXIT(work({.run_folder = folder.path(), .beat = milliseconds(50)}),
              testing::ExitedWithCode(75),
              "has joined");
  kill(coordinator, SIGKILL);
  waitpid(coordinator, nullptr, 0);
}

TEST(ReadAddress, WantsAHostAndAPort) {
  EXPECT_EQ(read_address("node7:29400", "--listen").host, "node7");
  EXPECT_EQ(read_address("[::1]:7", "--listen").host, "::1");
  for (const char* text : {"", "node7", "node7:", ":7", "node7:seven", "node7:70000"})
    EXPECT_MENTIONS(message_of([&] { read_address(text, "--listen"); }), "expected HOST:PORT");
}

}  // namespace
}  // namespace demix
