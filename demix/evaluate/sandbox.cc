#include "demix/evaluate/sandbox.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"
#include "demix/evaluate/child_process.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// Reads a secret word and the program from standard input, limits itself, executes the program and
// writes the word and the verdict to descriptor 3. The limit of processes can only be set here,
// within the namespace whose processes it counts.
constexpr const char* kDriver = R"(
import os, resource, sys, traceback
def main():
    word, _, text = sys.stdin.buffer.read().decode().partition('\n')
    os.dup2(os.open('/dev/null', os.O_RDONLY), 0)
    cpu, memory, processes, file, files = map(int, sys.argv[1:6])
    for name, soft, hard in (('CPU', cpu, cpu + 1), ('AS', memory, memory), ('CORE', 0, 0),
                             ('NPROC', processes, processes), ('FSIZE', file, file),
                             ('NOFILE', files, files)):
        resource.setrlimit(getattr(resource, 'RLIMIT_' + name), (soft, hard))
    sys.argv[1:] = []
    # As they are before the program, which may replace what modules hold.
    write, getpid, leave, show = os.write, os.getpid, os._exit, traceback.print_exc
    own = getpid()
    verdict = 'failed'
    try:
        exec(compile(text, '<program>', 'exec'), {})
        verdict = 'passed'
    except MemoryError:
        verdict = 'memory'
        show()
    except BaseException:
        show()
    if getpid() == own:
        write(3, (word + verdict + '\n').encode())
    leave(1)
main()
)";

// Fails unless it is shut in.
constexpr const char* kProbe = R"(
import os, socket
names = [name for _, name in socket.if_nameindex()]
assert names in ([], ['lo']), f'the network is visible: {names}'
for path in ('/home', '/root', '/proc/1/environ', '/etc/shadow', '/sys', '/var'):
    assert not os.path.exists(path), f'{path} is visible'
assert os.getuid() != 0, 'it runs as root'
assert not set(os.environ) - {'PATH', 'LANG', 'HOME', 'PWD', 'LC_CTYPE'}, 'the environment is visible'
for path in ('/probe', '/usr/probe', '/etc/probe', '/dev/probe'):
    try:
        open(path, 'w')
    except OSError:
        continue
    raise AssertionError(f'{path} can be written')
open('/tmp/probe', 'w').write('x')
children = []
try:
    while len(children) < 4096:
        child = os.fork()
        if child == 0:
            import time
            time.sleep(100)
            os._exit(0)
        children.append(child)
    raise AssertionError('the number of processes is not limited')
except OSError:
    pass
)";

std::vector<std::string> sandbox_command(const SandboxOptions& options) {
  std::vector<std::string> command;
  const auto add = [&command](std::initializer_list<std::string> words) {
    command.insert(command.end(), words);
  };
  // The kernel limits no process of root, whatever namespaces it lives in.
  if (geteuid() == 0)
    add({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"});
  add({"bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--new-session"});
  add({"--die-with-parent", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000"});
  add({"--hostname", "sandbox", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin"});
  add({"--setenv", "LANG", "C.UTF-8", "--setenv", "HOME", "/tmp"});
  add({"--ro-bind", "/usr", "/usr"});
  for (const char* folder : {"/bin", "/lib", "/lib64"}) {
    if (fs::is_symlink(folder)) {
      add({"--symlink", fs::read_symlink(folder).string(), folder});
    } else if (fs::exists(folder)) {
      add({"--ro-bind", folder, folder});
    }
  }
  for (const char* file : {"/etc/ld.so.cache", "/etc/localtime"})
    add({"--ro-bind-try", file, file});
  // Not bwrap's own /dev and /proc: the first is a memory file system without a limit, the second
  // is forbidden in most containers, and programs need neither.
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/urandom"})
    add({"--dev-bind", device, device});
  add({"--size", std::to_string(options.disk_bytes), "--tmpfs", "/tmp"});
  add({"--remount-ro", "/", "--chdir", "/tmp", "--"});
  add({options.python, "-B", "-u", "-c", kDriver, std::to_string(options.cpu_s)});
  add({std::to_string(options.memory_bytes), std::to_string(options.processes)});
  add({std::to_string(options.file_bytes), std::to_string(options.files)});
  return command;
}

std::string secret_word() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

// The last line that is not blank: of a traceback the exception.
std::string last_line(std::string_view text) {
  text = strip(text);
  const size_t line = text.rfind('\n');
  return printable(line == std::string_view::npos ? text : text.substr(line + 1), 200);
}

ProgramResult run_unchecked(std::string_view program, const SandboxOptions& options) {
  const std::string word = secret_word();
  const ChildLimits limits{.wall_s = options.wall_s,
                           .output_bytes = options.output_bytes,
                           .resident_bytes = options.resident_bytes};
  ChildResult child = run_child(sandbox_command(options),
                                {"PATH=/usr/local/bin:/usr/bin:/bin"},
                                fmt::format("{}\n{}", word, program),
                                limits);
  ProgramResult result{.output_tail = std::move(child.output_tail), .wall_s = child.wall_s};
  const auto end_as = [&result](Outcome outcome, std::string reason) {
    result.outcome = outcome;
    result.reason = std::move(reason);
    return result;
  };
  if (child.too_much_output)
    return end_as(Outcome::kKilled, fmt::format("wrote more than {} bytes", options.output_bytes));
  if (child.too_much_memory)
    return end_as(Outcome::kOutOfMemory,
                  fmt::format("its processes took more than {} bytes of memory together",
                              options.resident_bytes));
  if (child.report == word + "passed\n") return end_as(Outcome::kPassed, "");
  if (child.report == word + "memory\n")
    return end_as(Outcome::kOutOfMemory,
                  fmt::format("needs more than {} bytes of memory", options.memory_bytes));
  if (child.report == word + "failed\n")
    return end_as(Outcome::kFailed, last_line(result.output_tail));
  if (child.report.find('\n') != std::string::npos)
    return end_as(Outcome::kFailed, "wrote a verdict of its own");
  if (child.timed_out)
    return end_as(Outcome::kTimedOut, fmt::format("ran longer than {} s", options.wall_s));
  // bwrap passes the signal of its child on as a shell does.
  const int status = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 0;
  if (status == 128 + SIGXCPU)
    return end_as(Outcome::kTimedOut,
                  fmt::format("used more than {} s of processor time", options.cpu_s));
  if (status > 128)
    return end_as(Outcome::kKilled, fmt::format("ended by signal {}", status - 128));
  return end_as(Outcome::kFailed, fmt::format("ended with status {} before its last line", status));
}

std::string try_sandbox(SandboxOptions options) {
  // The probe needs time and a few processes, whatever programs get.
  options.wall_s = 20;
  try {
    const ProgramResult result = run_unchecked(kProbe, options);
    if (result.outcome == Outcome::kPassed) return "";
    const std::string said = last_line(result.output_tail);
    return fmt::format(
        "programs cannot be run safely on this machine: {}. Needed are bubblewrap 0.8 or newer "
        "(apt-get install bubblewrap), user namespaces (in a container: without the seccomp "
        "profile that forbids them; on Ubuntu: an AppArmor profile that allows bwrap them) and {}",
        said.empty() ? result.reason : said,
        options.python);
  } catch (const Error& error) {
    return fmt::format(
        "programs cannot be run safely on this machine: {}; apt-get install bubblewrap",
        error.what());
  }
}

void require_sandbox(const SandboxOptions& options) {
  if (const std::string problem = sandbox_problem(options); !problem.empty())
    throw Error("{}", problem);
}

}  // namespace

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed:
      return "passed";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kTimedOut:
      return "timed out";
    case Outcome::kOutOfMemory:
      return "out of memory";
    case Outcome::kKilled:
      return "killed";
  }
  return "unknown";
}

std::string sandbox_problem(const SandboxOptions& options) {
  static std::mutex mutex;
  static std::map<std::vector<std::string>, std::string> known;
  const std::lock_guard lock(mutex);
  const std::vector<std::string> command = sandbox_command(options);
  const auto place = known.find(command);
  if (place != known.end()) return place->second;
  return known[command] = try_sandbox(options);
}

ProgramResult run_program(std::string_view program, const SandboxOptions& options) {
  require_sandbox(options);
  return run_unchecked(program, options);
}

std::vector<ProgramResult> run_programs(std::span<const std::string> programs,
                                        const SandboxOptions& options,
                                        int threads) {
  require_sandbox(options);
  std::vector<ProgramResult> results(programs.size());
  parallel_for(programs.size(), threads, [&](size_t i) {
    results[i] = run_unchecked(programs[i], options);
  });
  return results;
}

}  // namespace demix
