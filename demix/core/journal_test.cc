#include "demix/core/journal.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/files.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

class JournalFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    file_ = folder_ / "journal.sqlite";
  }
  void TearDown() override { fs::remove_all(folder_); }

  // The message of the Error that opening the file throws; empty if it throws none.
  std::string opening_error() {
    try {
      Journal journal(file_);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  void execute(const char* statements) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, statements, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  }

  fs::path folder_, file_;
};

TEST_F(JournalFile, SeveralPiecesArePutTogetherAndAKindIsForgottenAlone) {
  Journal journal(file_);
  journal.put("model", "k", "components/a", 1);
  const std::vector<JournalEntry> entries = {{"b", "item b", 2}, {"a", "item a", 3}, {"b", "", 4}};
  journal.put("items", entries);
  const auto all = journal.all("items");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].key, "b");
  EXPECT_EQ(all[0].value, Json(4));
  EXPECT_EQ(all[1].name, "item a");
  journal.drop("items");
  EXPECT_TRUE(journal.all("items").empty());
  EXPECT_TRUE(journal.find("model", "k"));
}

TEST_F(JournalFile, WhatWasPutIsFoundAfterReopening) {
  const Json value = {{"loss", 3.25}, {"name", "a\"b"}, {"tokens", int64_t{1} << 60}};
  {
    Journal journal(file_);
    EXPECT_FALSE(journal.find("model", "k").has_value());
    journal.put("model", "k", "components/a", value);
  }
  const Journal journal(file_);
  EXPECT_EQ(journal.find("model", "k"), value);
  EXPECT_FALSE(journal.find("dataset", "k").has_value());
  EXPECT_FALSE(journal.find("model", "k2").has_value());
}

TEST_F(JournalFile, EntriesKeepTheOrderInWhichTheyWereFirstPut) {
  Journal journal(file_);
  journal.put("model", "b", "first", 1);
  journal.put("model", "a", "second", 2);
  journal.put("score", "c", "other", 3);
  journal.put("model", "b", "again", 4);
  const std::vector<JournalEntry> entries = journal.all("model");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].key, "b");
  EXPECT_EQ(entries[0].name, "again");
  EXPECT_EQ(entries[0].value, 4);
  EXPECT_EQ(entries[1].key, "a");
  EXPECT_TRUE(journal.all("nothing").empty());
}

TEST_F(JournalFile, SecondsAccumulateOverResumes) {
  for (int i = 0; i < 3; ++i) {
    Journal journal(file_);
    journal.add_seconds("train", 1.5);
  }
  EXPECT_DOUBLE_EQ(Journal(file_).seconds("train"), 4.5);
  EXPECT_DOUBLE_EQ(Journal(file_).seconds("search"), 0);
}

TEST_F(JournalFile, NaNAndInvalidTextDoNotSpoilIt) {
  Journal journal(file_);
  journal.put("model", "k", "n", {{"loss", std::nan("")}, {"text", "a\xff"}});
  const Json value = *journal.find("model", "k");
  EXPECT_TRUE(value["loss"].is_null());
  EXPECT_EQ(value["text"], "a\uFFFD");
}

TEST_F(JournalFile, ManyThreadsMayPut) {
  Journal journal(file_);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&journal, t] {
      for (int i = 0; i < 5; ++i) journal.put("k", std::to_string(10 * t + i), "", i);
    });
  }
  threads.clear();
  EXPECT_EQ(journal.all("k").size(), 20u);
}

TEST_F(JournalFile, AKilledProcessLosesNothingThatPutReturnedFor) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    Journal journal(file_);
    for (uint8_t i = 0;; ++i) {
      journal.put("piece", std::to_string(i), "", i);
      if (write(ends[1], &i, 1) != 1) _exit(1);
    }
  }
  close(ends[1]);
  uint8_t last = 0;
  while (last < 12) ASSERT_EQ(read(ends[0], &last, 1), 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  while (read(ends[0], &last, 1) == 1) {
  }
  close(ends[0]);
  Journal journal(file_);
  for (int i = 0; i <= last; ++i) EXPECT_EQ(journal.find("piece", std::to_string(i)), i);
}

TEST_F(JournalFile, ADamagedFileIsAClearError) {
  {
    Journal journal(file_);
    for (int i = 0; i < 50; ++i) {
      journal.put("piece", std::to_string(i), "", std::string(2000, 'x'));
    }
  }
  const std::string good = read_file(file_);
  for (size_t page : {1, 2, 5, 10}) {
    std::string bad = good;
    std::fill_n(bad.begin() + static_cast<std::ptrdiff_t>(page * 4096), 4096, '\x5a');
    std::ofstream(file_, std::ios::binary) << bad;
    EXPECT_NE(opening_error().find("damaged journal"), std::string::npos) << page;
  }
  std::ofstream(file_, std::ios::binary) << good.substr(0, good.size() / 2);
  EXPECT_NE(opening_error().find("damaged journal"), std::string::npos);
  std::ofstream(file_, std::ios::binary) << std::string(8192, 'x');
  EXPECT_NE(opening_error().find("damaged journal"), std::string::npos);
  std::ofstream(file_, std::ios::binary) << good;
  EXPECT_EQ(opening_error(), "");
}

TEST_F(JournalFile, AnotherVersionOrAnotherProgramsFileIsRefused) {
  {
    Journal journal(file_);
  }
  execute("PRAGMA user_version = 99");
  EXPECT_NE(opening_error().find("version 99"), std::string::npos);
  fs::remove(file_);
  execute("CREATE TABLE t (x)");
  EXPECT_NE(opening_error().find("not the journal"), std::string::npos);
}

TEST_F(JournalFile, AMissingFolderIsAnError) {
  file_ = folder_ / "missing" / "journal.sqlite";
  EXPECT_NE(opening_error().find("is its folder there"), std::string::npos);
}

TEST(RunLock, ASecondHolderIsToldWhoHasTheFolder) {
  const fs::path folder = fs::path(testing::TempDir()) / "run_lock_test";
  {
    const RunLock lock(folder);
    try {
      RunLock second(folder);
      FAIL();
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find(folder.string()), std::string::npos);
      EXPECT_NE(message.find(fmt::format("process {} on ", getpid())), std::string::npos);
    }
  }
  EXPECT_NO_THROW(RunLock{folder});
  fs::remove_all(folder);
}

TEST(RunLock, AKilledHolderFreesTheFolder) {
  const fs::path folder = fs::path(testing::TempDir()) / "run_lock_kill_test";
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const RunLock lock(folder);
    if (write(ends[1], "x", 1) != 1) _exit(1);
    pause();
  }
  char byte;
  ASSERT_EQ(read(ends[0], &byte, 1), 1);
  EXPECT_THROW(RunLock{folder}, Error);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_NO_THROW(RunLock{folder});
  close(ends[0]);
  close(ends[1]);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace demix
