#include "demix/evaluate/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "demix/core/error.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

SandboxOptions quick() {
  return {.wall_s = 8, .cpu_s = 2, .memory_bytes = 256LL << 20, .processes = 8};
}

// Each test runs programs; where the host cannot, each says so and why.
class Sandbox : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = sandbox_problem(quick()); !problem.empty()) {
      std::fprintf(stderr, "NOT TESTED: %s\n", problem.c_str());
      GTEST_SKIP() << problem;
    }
  }

  static ProgramResult run(std::string_view program) { return run_program(program, quick()); }
  static std::string outcome(std::string_view program) {
    const ProgramResult result = run(program);
    return std::string(outcome_name(result.outcome)) + ": " + result.reason;
  }
  // That a program which expects `exception` of `action` gets it.
  static void expect_refused(const std::string& action, const std::string& exception = "OSError") {
    const ProgramResult result =
        run("import os, socket, subprocess, ctypes\ntry:\n    " + action + "\nexcept " + exception +
            ":\n    pass\nelse:\n    assert 0\n");
    EXPECT_EQ(result.outcome, Outcome::kPassed) << action << "\n" << result.output_tail;
  }
};

TEST_F(Sandbox, AProgramThatRunsToItsEndPasses) {
  EXPECT_EQ(outcome("assert sorted([2, 1]) == [1, 2]"), "passed: ");
  EXPECT_EQ(outcome(""), "passed: ");
  EXPECT_EQ(run("print('seen')").output_tail, "seen\n");
}

TEST_F(Sandbox, AnExceptionFailsWithItsLastLine) {
  EXPECT_EQ(outcome("assert 1 == 2, 'one is not two'"), "failed: AssertionError: one is not two");
  EXPECT_EQ(outcome("x = ("), "failed: SyntaxError: '(' was never closed");
  EXPECT_EQ(outcome("input()"), "failed: EOFError: EOF when reading a line");
}

TEST_F(Sandbox, LeavingEarlyIsNoPass) {
  EXPECT_EQ(outcome("import sys\nsys.exit(0)"), "failed: SystemExit: 0");
  EXPECT_EQ(outcome("import os\nos._exit(0)"), "failed: ended with status 0 before its last line");
  EXPECT_EQ(outcome("import os\nif os.fork():\n    assert 0, 'parent'\n"),
            "failed: AssertionError: parent");
  EXPECT_EQ(outcome("import os\nos.write(3, b'passed\\n')\nassert 0").substr(0, 6), "failed");
  EXPECT_EQ(outcome("import os\nos.execv('/usr/bin/true', ['true'])"),
            "failed: ended with status 0 before its last line");
}

TEST_F(Sandbox, WhatAProgramMakesOfModulesDoesNotReachTheVerdict) {
  EXPECT_EQ(outcome("import os\nwrite = os.write\n"
                    "os.write = lambda f, b: write(f, b.replace(b'failed', b'passed'))\n"
                    "os.getpid = lambda: 2\nassert 0, 'wrong'"),
            "failed: AssertionError: wrong");
  // As the harness's own guard does.
  EXPECT_EQ(outcome("import os, sys, traceback\nos.write = os.getpid = os._exit = None\n"
                    "traceback.print_exc = sys.exit = None"),
            "passed: ");
}

TEST_F(Sandbox, TheMainBlockIsNotRunAsInTheHarness) {
  EXPECT_EQ(outcome("if __name__ == '__main__':\n    assert 0"), "passed: ");
}

TEST_F(Sandbox, SleepingIsEndedAtTheWallLimit) {
  SandboxOptions options = quick();
  options.wall_s = 1;
  const ProgramResult result = run_program("import time\ntime.sleep(600)", options);
  EXPECT_EQ(result.outcome, Outcome::kTimedOut);
  EXPECT_EQ(result.reason, "ran longer than 1 s");
  EXPECT_GE(result.wall_s, 1);
  EXPECT_LT(result.wall_s, 5);
}

TEST_F(Sandbox, ComputingIsEndedAtTheProcessorLimit) {
  SandboxOptions options = quick();
  options.wall_s = 60;
  options.cpu_s = 1;
  const ProgramResult result = run_program("while True: pass", options);
  EXPECT_EQ(result.outcome, Outcome::kTimedOut);
  EXPECT_EQ(result.reason, "used more than 1 s of processor time");
}

TEST_F(Sandbox, AMemoryBombIsStopped) {
  EXPECT_EQ(outcome("x = b'x' * (1 << 40)"),
            "out of memory: needs more than 268435456 bytes of memory");
  EXPECT_EQ(outcome("x = []\nwhile True: x.append(b'x' * (1 << 20))").substr(0, 13),
            "out of memory");
}

TEST_F(Sandbox, AMemoryBombOfManyProcessesIsStopped) {
  SandboxOptions options = quick();
  options.resident_bytes = 300LL << 20;
  const ProgramResult result = run_program(
      "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        break\n"
      "x = b'x' * (100 << 20)\ntime.sleep(600)",
      options);
  EXPECT_EQ(result.outcome, Outcome::kOutOfMemory);
  EXPECT_EQ(result.reason, "its processes took more than 314572800 bytes of memory together");
  EXPECT_LT(result.wall_s, 5);
  // Memory that no process has mapped.
  expect_refused("[os.memfd_create('x') for _ in range(100)]");
}

#ifdef __x86_64__
// The program has its first process's death signal, on which ending the sandbox rests, taken away.
TEST_F(Sandbox, AProgramThatTakesOverItsFirstProcessIsEndedTheSame) {
  SandboxOptions options = quick();
  options.wall_s = 1;
  const ProgramResult result = run_program(R"(
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
ATTACH, DETACH, GETREGS, SETREGS, STEP = 16, 17, 12, 13, 9
RAX, RSI, RDI, ORIG_RAX, RIP = 10, 13, 14, 15, 16
def registers(values=None):
    array = (ctypes.c_ulonglong * 27)(*(values or []))
    libc.ptrace(SETREGS if values else GETREGS, 1, None, ctypes.byref(array))
    return list(array)
if libc.ptrace(ATTACH, 1, None, None) == 0:
    os.waitpid(1, 0x40000000)
    before = registers()
    call = list(before)
    call[RAX], call[RDI], call[RSI] = 157, 1, 0  # prctl(PR_SET_PDEATHSIG, 0)
    call[ORIG_RAX], call[RIP] = 2**64 - 1, before[RIP] - 2
    registers(call)
    libc.ptrace(STEP, 1, None, None)
    os.waitpid(1, 0x40000000)
    print('taken over', registers()[RAX])
    before[RAX], before[RIP], before[ORIG_RAX] = before[ORIG_RAX], before[RIP] - 2, 2**64 - 1
    registers(before)
    libc.ptrace(DETACH, 1, None, None)
time.sleep(600)
)",
                                           options);
  EXPECT_EQ(result.outcome, Outcome::kTimedOut) << result.output_tail;
  EXPECT_LT(result.wall_s, 5);
}
#endif

TEST_F(Sandbox, AForkBombIsBoundedAndGone) {
  // Every process that it made holds the pipes that run_program reads to their end.
  const auto begin = std::chrono::steady_clock::now();
  const std::string got = outcome("import os\nwhile True: os.fork()");
  // The reason is a line of one of the many tracebacks that come at once.
  EXPECT_TRUE(got.starts_with("failed: ") || got.starts_with("timed out")) << got;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  expect_refused("[os.fork() or __import__('time').sleep(60) for _ in range(9)]");
}

TEST_F(Sandbox, EndlessOutputIsCutOff) {
  const ProgramResult result = run("while True: print('y' * 1000)");
  EXPECT_EQ(result.outcome, Outcome::kKilled);
  EXPECT_EQ(result.reason, "wrote more than 1048576 bytes");
  EXPECT_LE(result.output_tail.size(), 4096U);
}

TEST_F(Sandbox, HugeFilesAndFullFoldersAreErrors) {
  expect_refused("open('/tmp/x', 'wb').write(b'x' * (17 << 20))");
  expect_refused("[open(f'/tmp/{i}', 'wb').write(b'x' * (8 << 20)) for i in range(9)]");
}

TEST_F(Sandbox, TheNetworkIsOutOfReach) {
  expect_refused("socket.create_connection(('1.1.1.1', 80), 2)");
  expect_refused("socket.create_connection(('127.0.0.1', 22), 2)");
  expect_refused("socket.getaddrinfo('pypi.org', 80)");
}

TEST_F(Sandbox, FilesOfTheHostAreOutOfReach) {
  for (const char* path : {"/etc/shadow", "/etc/passwd", "/proc/1/environ", "/proc/self/mem"})
    expect_refused("open('" + std::string(path) + "').read()");
  for (const char* path : {"/root", "/home", "/var", "/sys", "/mnt"})
    expect_refused("os.listdir('" + std::string(path) + "')");
  const char* home = std::getenv("HOME");
  if (home && !std::string_view(home).starts_with("/tmp") && std::filesystem::exists(home))
    expect_refused("os.listdir('" + std::string(home) + "')");
}

TEST_F(Sandbox, NothingOutsideOfTmpCanBeWritten) {
  for (const char* path : {"/x", "/usr/x", "/etc/x", "/dev/x", "/bin/x"})
    expect_refused("open('" + std::string(path) + "', 'w')");
  expect_refused("os.remove('/usr/bin/python3')");
  // Its /tmp is not ours, and the next program's is empty again.
  const TemporaryFolder folder;
  const std::string ours = folder.write("ours", "ours").string();
  expect_refused("open('" + ours + "').read()");
  EXPECT_EQ(outcome("open('/tmp/left', 'w').write('x')"), "passed: ");
  expect_refused("open('/tmp/left')");
}

TEST_F(Sandbox, OtherProcessesCannotBeSeenOrKilled) {
  expect_refused("os.kill(" + std::to_string(getpid()) + ", 9)");
  // All it may kill are processes of its own namespace; we live on.
  EXPECT_NE(run("import os\nos.kill(-1, 9)").outcome, Outcome::kKilled);
  EXPECT_EQ(outcome("import os\nos.kill(os.getpid(), 11)"), "killed: ended by signal 11");
  EXPECT_EQ(outcome("import os\nos.kill(os.getppid(), 9)\nassert os.getppid() == 1"), "passed: ");
}

TEST_F(Sandbox, PrivilegesAndNamespacesCannotBeGot) {
  expect_refused("os.setuid(0)");
  expect_refused("subprocess.run(['/usr/bin/unshare', '-r', 'true'], check=True)",
                 "(OSError, subprocess.CalledProcessError)");
  expect_refused("subprocess.run(['/usr/bin/mount', '-o', 'remount,rw', '/'], check=True)",
                 "(OSError, subprocess.CalledProcessError)");
  expect_refused("__import__('resource').setrlimit(__import__('resource').RLIMIT_NPROC, (99, 99))",
                 "ValueError");
}

TEST_F(Sandbox, NothingIsInherited) {
  setenv("DEMIX_TEST_SECRET", "secret", 1);
  const int descriptor = fcntl(1, F_DUPFD, 40);  // without close-on-exec
  EXPECT_EQ(outcome("import os\nassert 'DEMIX_TEST_SECRET' not in os.environ"), "passed: ");
  expect_refused("os.fstat(" + std::to_string(descriptor) + ")");
  close(descriptor);
  unsetenv("DEMIX_TEST_SECRET");
}

TEST_F(Sandbox, ADetachedChildDiesWithItsProgram) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(outcome("import subprocess\n"
                    "subprocess.Popen(['/usr/bin/sleep', '600'], start_new_session=True)"),
            "passed: ");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(6));
}

// Whether a process runs `program` (or any, if empty) with `word` among its arguments; those that
// have ended have none.
bool some_process_has(const std::string& word, const std::string& program = "") {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    std::string first, argument;
    if (!std::getline(file, first, '\0') || (!program.empty() && first != program)) continue;
    while (std::getline(file, argument, '\0'))
      if (argument == word) return true;
  }
  return false;
}

// Asks every 10 ms, for up to ten seconds.
template <typename Condition>
bool becomes_true(const Condition& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    usleep(10000);
  }
  return false;
}

TEST_F(Sandbox, AProgramDiesWithTheProcessThatRanIt) {
  SandboxOptions options = quick();
  options.wall_s = 100;
  options.file_bytes = 1'000'000'000 + getpid();  // an argument by which to find it
  const std::string mark = std::to_string(options.file_bytes);
  ASSERT_EQ(sandbox_problem(options), "");
  const pid_t runner = fork();
  if (runner == 0) {
    run_program("import time\ntime.sleep(100)", options);
    _exit(0);
  }
  // Before that, bwrap may not have tied itself to its parent yet.
  EXPECT_TRUE(becomes_true([&] { return some_process_has(mark, options.python); }));
  kill(runner, SIGKILL);
  waitpid(runner, nullptr, 0);
  EXPECT_TRUE(becomes_true([&] { return !some_process_has(mark); }));
}

TEST_F(Sandbox, ManyRunAtATimeAndKeepTheirOrder) {
  std::vector<std::string> programs;
  for (int i = 0; i < 24; ++i)
    programs.push_back("print(" + std::to_string(i) + ")\nassert " + std::to_string(i % 3));
  const std::vector<ProgramResult> results = run_programs(programs, quick(), 4);
  ASSERT_EQ(results.size(), programs.size());
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].outcome, i % 3 == 0 ? Outcome::kFailed : Outcome::kPassed) << i;
    EXPECT_TRUE(results[i].output_tail.starts_with(std::to_string(i) + "\n"));
  }
}

TEST(SandboxProblem, WithoutASandboxNothingRuns) {
  SandboxOptions options;
  options.python = "/usr/bin/no-such-python";
  EXPECT_NE(sandbox_problem(options).find("cannot be run safely"), std::string::npos);
  EXPECT_THROW(run_program("pass", options), Error);
  EXPECT_THROW(run_programs(std::vector<std::string>{"pass"}, options), Error);
}

}  // namespace
}  // namespace demix
