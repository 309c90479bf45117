#include "demix/evaluate/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "demix/core/error.h"

namespace demix {
namespace {

constexpr size_t kReportBytes = 256;
// What is killed closes its descriptors at once; a machine under load needs a while.
constexpr double kGoneWithin_s = 20;
constexpr double kLook_s = 0.05;  // between looks at the memory
constexpr size_t kMostProcesses = 4096;

class Descriptor {
 public:
  // Above those that the child gets, so that none of its four overwrites another.
  explicit Descriptor(int number) : number_(fcntl(number, F_DUPFD_CLOEXEC, 10)) {
    const int error = errno;
    if (number >= 0) ::close(number);
    if (number_ < 0) throw Error("no descriptor for a child process: {}", std::strerror(error));
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  ~Descriptor() { close(); }
  int get() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_;
};

struct Pipe {
  Descriptor read, write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    throw Error("no pipe for a child process: {}", std::strerror(errno));
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

// A nameless file that holds `input`, at its beginning.
Descriptor file_of(std::string_view input) {
  Descriptor file(memfd_create("input", MFD_CLOEXEC));
  while (!input.empty()) {
    const ssize_t written = ::write(file.get(), input.data(), input.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      throw Error(
          "input of a child process: {} bytes left, {}", input.size(), std::strerror(errno));
    input.remove_prefix(static_cast<size_t>(written));
  }
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

pid_t spawn(const std::vector<std::string>& command,
            const std::vector<std::string>& environment,
            const std::array<int, 4>& descriptors) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int i = 0; i < 4; ++i)
    posix_spawn_file_actions_adddup2(&actions, descriptors[static_cast<size_t>(i)], i);
  posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid,
                                 command.front().c_str(),
                                 &actions,
                                 &attributes,
                                 pointers(command).data(),
                                 pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw Error("{} cannot be started: {}", command.front(), std::strerror(error));
  return pid;
}

// Appends what lies ready. False at the end.
bool read_ready(int descriptor, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
  if (got > 0) text.append(buffer.data(), static_cast<size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

// `pid` and all that it started, as far as the system shows them, each behind its parent.
std::vector<pid_t> tree_of(pid_t pid) {
  std::vector<pid_t> tree{pid};
  for (size_t i = 0; i < tree.size() && tree.size() < kMostProcesses; ++i) {
    std::error_code error;
    const std::string tasks = fmt::format("/proc/{}/task", tree[i]);
    for (std::filesystem::directory_iterator it(tasks, error), end; !error && it != end;
         it.increment(error)) {
      std::ifstream children(it->path() / "children");
      for (pid_t child; children >> child;) tree.push_back(child);
    }
  }
  return tree;
}

// What a sandbox's first process holds dies with it, whatever the program has made of that process.
void kill_tree(pid_t pid) {
  for (const pid_t process : tree_of(pid)) kill(process, SIGKILL);
}

int64_t resident_bytes(pid_t pid) {
  int64_t pages = 0;
  for (const pid_t process : tree_of(pid)) {
    std::ifstream file(fmt::format("/proc/{}/statm", process));
    int64_t size = 0, resident = 0;
    if (file >> size >> resident) pages += resident;
  }
  return pages * sysconf(_SC_PAGESIZE);
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& command,
                      const std::vector<std::string>& environment,
                      std::string_view input,
                      const ChildLimits& limits) {
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed_s = [begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  Descriptor file = file_of(input);
  Pipe output = make_pipe();
  Pipe report = make_pipe();
  const pid_t pid = spawn(command,
                          environment,
                          {file.get(), output.write.get(), output.write.get(), report.write.get()});
  output.write.close();
  report.write.close();

  ChildResult result;
  int64_t written = 0;
  std::array<pollfd, 2> ready{pollfd{output.read.get(), POLLIN, 0},
                              pollfd{report.read.get(), POLLIN, 0}};
  // Until both ends are closed, which is when every process that holds them is gone.
  bool killed = false;
  const bool watched = limits.resident_bytes != INT64_MAX;
  double looked_s = 0;
  while (ready[0].fd >= 0 || ready[1].fd >= 0) {
    const double left_s = (killed ? result.wall_s + kGoneWithin_s : limits.wall_s) - elapsed_s();
    if (left_s <= 0) {
      if (killed)
        throw Error("{} was killed, but what it started still runs after {} s",
                    command.front(),
                    kGoneWithin_s);
      result.timed_out = true;
    } else if (poll(ready.data(),
                    ready.size(),
                    static_cast<int>((watched ? std::min(left_s, kLook_s) : left_s) * 1000) + 1) >
               0) {
      if (ready[0].revents != 0) {
        const size_t before = result.output_tail.size();
        if (!read_ready(output.read.get(), result.output_tail)) ready[0].fd = -1;
        written += static_cast<int64_t>(result.output_tail.size() - before);
        const auto tail = static_cast<size_t>(limits.tail_bytes);
        if (result.output_tail.size() > tail)
          result.output_tail.erase(0, result.output_tail.size() - tail);
        if (!killed && written > limits.output_bytes) result.too_much_output = true;
      }
      if (ready[1].revents != 0 && !read_ready(report.read.get(), result.report)) ready[1].fd = -1;
      if (result.report.size() > kReportBytes) result.report.resize(kReportBytes);
    }
    if (watched && !killed && elapsed_s() - looked_s >= kLook_s) {
      looked_s = elapsed_s();
      result.too_much_memory = resident_bytes(pid) > limits.resident_bytes;
    }
    const bool reported = result.report.find('\n') != std::string::npos;
    if (!killed &&
        (result.timed_out || result.too_much_output || result.too_much_memory || reported)) {
      kill_tree(pid);  // not reaped yet: the number is still its own
      killed = true;
      result.wall_s = elapsed_s();
    }
  }
  if (!killed) result.wall_s = elapsed_s();
  kill(pid, SIGKILL);
  while (waitpid(pid, &result.status, 0) < 0 && errno == EINTR) {
  }
  return result;
}

}  // namespace demix
