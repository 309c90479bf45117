#include "demix/core/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>

namespace demix {
namespace {

// What `work` writes to standard error when that is a pipe, or a terminal of `columns`.
std::string standard_error_of(int columns, const std::function<void()>& work) {
  int reading = -1, writing = -1;
  if (columns > 0) {
    winsize size{};
    size.ws_row = 10;
    size.ws_col = static_cast<unsigned short>(columns);
    EXPECT_EQ(openpty(&reading, &writing, nullptr, nullptr, &size), 0);
  } else {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    reading = ends[0];
    writing = ends[1];
  }
  const pid_t child = fork();
  if (child == 0) {
    setenv("TERM", "xterm", 1);
    dup2(writing, STDERR_FILENO);
    close(reading);
    close(writing);
    work();
    _exit(0);
  }
  close(writing);
  std::string text;
  char part[4096];
  // A terminal whose other end is gone gives an error where a pipe gives the end.
  for (ssize_t size; (size = read(reading, part, sizeof part)) > 0;) {
    text.append(part, static_cast<size_t>(size));
  }
  close(reading);
  waitpid(child, nullptr, 0);
  return text;
}

TEST(Progress, APipeGetsOnePlainFinalLine) {
  const std::string text = standard_error_of(0, [] {
    Progress progress("train base", 2'000'000, "tokens");
    for (int i = 0; i < 1000; ++i) progress.add(2000);
    progress.note("loss 3.21");
  });
  EXPECT_TRUE(text.starts_with("train base: 2M tokens in ")) << text;
  EXPECT_TRUE(text.ends_with(", loss 3.21\n")) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Progress, APieceThatEndsEarlySaysHowFarItCame) {
  const std::string text = standard_error_of(0, [] {
    Progress progress("read", 4000, "items");
    progress.resume_at(1000);
    progress.add(500);
  });
  EXPECT_TRUE(text.starts_with("read: 1.5k/4k items in ")) << text;
}

TEST(Progress, ATerminalShowsLiveBarsThatFitItsWidth) {
  constexpr int kColumns = 30;
  std::string text = standard_error_of(kColumns, [] {
    Progress first("first", 100, "items");
    Progress second("a long name in a narrow terminal", 100, "items");
    for (int i = 0; i < 5; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      first.add(20);
      second.add(10);
    }
    say("a line above");
  });
  EXPECT_NE(text.find("first: 0/100 items"), std::string::npos) << text;
  EXPECT_NE(text.find("\x1b[1A\x1b[J"), std::string::npos) << text;
  EXPECT_NE(text.find("a line above\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("first: 100 items in "), std::string::npos) << text;
  // Every live line is shorter than the terminal is wide; final lines may wrap.
  const size_t live_end = text.find("a line above");
  size_t column = 0;
  for (size_t i = 0; i < live_end; ++i) {
    if (text[i] == '\r' || text[i] == '\n') {
      column = 0;
    } else if (text[i] == '\x1b') {
      while (!std::isalpha(static_cast<unsigned char>(text[i]))) ++i;
    } else {
      EXPECT_LT(++column, static_cast<size_t>(kColumns));
    }
  }
}

TEST(Progress, RedrawsAtMostTenTimesASecond) {
  const std::string text = standard_error_of(80, [] {
    Progress progress("fast", 0, "items");
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(250);
    while (std::chrono::steady_clock::now() < end) progress.add(1);
  });
  size_t draws = 0;
  for (size_t at = 0; (at = text.find("fast: ", at)) != std::string::npos; ++at) ++draws;
  EXPECT_GE(draws, 3u);
  EXPECT_LE(draws, 6u);
}

TEST(Progress, MoreBarsThanLinesAreCounted) {
  const std::string text = standard_error_of(40, [] {
    std::vector<std::unique_ptr<Progress>> pieces;
    for (int i = 0; i < 12; ++i) {
      pieces.push_back(std::make_unique<Progress>(std::to_string(i), 10, "items"));
    }
  });
  EXPECT_NE(text.find("and 4 more"), std::string::npos) << text;
}

TEST(Progress, WarningsAreKeptInOrderAndOnce) {
  const std::string text = standard_error_of(0, [] {
    warn("first");
    warn("second");
    warn("first");
    const std::vector<std::string> kept = warnings();
    say(kept == std::vector<std::string>{"first", "second"} ? "kept" : "lost");
  });
  EXPECT_EQ(text, "warning: first\nwarning: second\nkept\n");
}

TEST(Progress, CountsFromManyThreadsAddUp) {
  const std::string text = standard_error_of(0, [] {
    Progress progress("count", 40'000, "items");
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10'000; ++i) progress.add(1);
      });
    }
    threads.clear();
  });
  EXPECT_TRUE(text.starts_with("count: 40k items in ")) << text;
}

}  // namespace
}  // namespace demix
