#include "demix/core/shell.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "demix/core/at_end.h"
#include "demix/core/error.h"

namespace demix {
namespace {

constexpr size_t kLastLines = 20;
constexpr std::streamoff kLastBytes = 8192;

// $1 leads a process group. Launchers give their workers groups of their own, so the tree below it
// is killed as well. While the shell is not waited for, nothing else can have its number.
constexpr const char* kKillAll = R"(
tree() {
  echo "$1"
  for child in $(cat /proc/"$1"/task/*/children); do tree "$child"; done
}
kill -s KILL -- "-$1" $(tree "$1")
)";

std::string shell_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

pid_t start_shell(const std::string& command, const std::filesystem::path& log, bool append) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions,
                                   STDOUT_FILENO,
                                   log.c_str(),
                                   O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC),
                                   0644);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::string shell = "sh", flag = "-c", text = command;
  char* arguments[] = {shell.data(), flag.data(), text.data(), nullptr};
  pid_t child = 0;
  const int failed = posix_spawn(&child, "/bin/sh", &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    throw Error("/bin/sh: cannot be started, or {} cannot be written: {}",
                log.string(),
                std::strerror(failed));
  return child;
}

// Whether the process has ended within `seconds`. It is not waited for.
bool ends_within(pid_t child, double seconds) {
  const auto start = std::chrono::steady_clock::now();
  const std::chrono::duration<double> most(seconds);
  const int wait = std::isfinite(seconds) ? WNOHANG : 0;
  for (;;) {
    siginfo_t info{};
    const int failed = ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT | wait);
    if (failed == 0 ? info.si_pid == child : errno != EINTR)
      return true;  // waitpid says what fails
    if (std::chrono::steady_clock::now() - start >= most) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

std::string expand_command(std::string_view command,
                           const std::vector<std::pair<std::string, std::string>>& values) {
  std::string expanded;
  for (size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    if ((c == '{' || c == '}') && command.substr(i + 1, 1) == std::string_view(&c, 1)) {
      expanded += c;
      ++i;
    } else if (c == '{') {
      const size_t end = command.find('}', i);
      if (end == std::string_view::npos) throw Error("command: '{{' without '}}' in: {}", command);
      const std::string_view name = command.substr(i + 1, end - i - 1);
      const auto found = std::find_if(
          values.begin(), values.end(), [&](const auto& v) { return v.first == name; });
      if (found == values.end()) {
        std::vector<std::string> known;
        for (const auto& v : values) known.push_back("{" + v.first + "}");
        throw Error(
            "command: unknown placeholder '{{{}}}'; known are {} (write {{{{ and }}}} for braces)",
            name,
            fmt::join(known, " "));
      }
      expanded += shell_quoted(found->second);
      i = end;
    } else {
      expanded += c;
    }
  }
  return expanded;
}

std::optional<int> run_shell(const std::string& command,
                             const std::filesystem::path& log,
                             const ShellConfig& config) {
  const pid_t child = start_shell(command, log, config.append);
  bool ended = false;
  {
    const AtEnd killing(kKillAll, {std::to_string(child)});
    ended = ends_within(child, config.seconds);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      throw Error("the command's end cannot be awaited: {}", std::strerror(errno));
  return ended ? std::optional(status) : std::nullopt;
}

std::string failure_of(int status) {
  if (!WIFEXITED(status)) return fmt::format("was killed by signal {}", WTERMSIG(status));
  if (WEXITSTATUS(status) == 0) return "";
  return fmt::format("ended with exit status {}", WEXITSTATUS(status));
}

std::string log_end(const std::filesystem::path& log) {
  std::ifstream file(log, std::ios::binary);
  file.seekg(0, std::ios::end);
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kLastBytes));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.empty()) return fmt::format("\nit printed nothing ({})", log.string());
  size_t begin = text.size();
  for (size_t lines = 0; lines < kLastLines && begin != std::string::npos && begin > 0; ++lines)
    begin = text.rfind('\n', begin - 1);
  if (begin != std::string::npos) text.erase(0, begin + (text[begin] == '\n'));
  return fmt::format("\nlast lines of {}:\n{}", log.string(), text);
}

}  // namespace demix
