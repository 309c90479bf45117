#include "demix/train/external.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/shell.h"
#include "demix/model/checkpoint_files.h"

namespace demix {

namespace {

constexpr size_t kLastLines = 20;
constexpr std::streamoff kLastBytes = 8192;

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

// The wait status of /bin/sh -c COMMAND with both outputs appended to `log`.
int run_shell(const std::string& command, const std::filesystem::path& log) {
  const pid_t child = start_shell(command, log, {.append = true});
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      throw Error("the command's end cannot be awaited: {}", std::strerror(errno));
  return status;
}

std::filesystem::path beside(const std::filesystem::path& folder, const char* suffix) {
  std::filesystem::path name = folder;
  if (!name.has_filename()) name = name.parent_path();  // "x/" means "x"
  return name += suffix;
}

}  // namespace

std::string last_lines(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(0, std::ios::end);
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kLastBytes));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  while (!text.empty() && text.back() == '\n') text.pop_back();
  size_t begin = text.size();
  for (size_t lines = 0; lines < kLastLines && begin != std::string::npos && begin > 0; ++lines)
    begin = text.rfind('\n', begin - 1);
  return begin == std::string::npos ? text : text.substr(begin + (text[begin] == '\n'));
}

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

void train_externally(const ExternalJob& job) {
  const auto mixture = beside(job.output, ".mixture.csv"), log = beside(job.output, ".log");
  const std::string command =
      expand_command(job.command,
                     // Absolute, for commands that change their folder.
                     {{"mixture", std::filesystem::absolute(mixture).string()},
                      {"output", std::filesystem::absolute(job.output).string()},
                      {"base", std::filesystem::absolute(job.base).string()},
                      {"tokens", fmt::format("{}", job.tokens)},
                      {"seed", fmt::format("{}", job.seed)},
                      {"name", job.name}});
  std::filesystem::create_directories(job.output);
  std::string csv = "dataset,share\n";
  for (size_t i = 0; i < job.mixture.size(); ++i)
    csv += fmt::format("{},{}\n", job.mixture.names[i], job.mixture.weights[i]);
  write_file_atomically(mixture, csv);

  const int status = run_shell(command, log);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string how = WIFEXITED(status)
                                ? fmt::format("ended with exit status {}", WEXITSTATUS(status))
                                : fmt::format("was killed by signal {}", WTERMSIG(status));
    throw Error("{}: the training command {}: {}\nlast lines of {}:\n{}",
                job.name,
                how,
                command,
                log.string(),
                last_lines(log));
  }
  try {
    Architecture::from_json(Json::parse(read_file(job.output / "config.json")),
                            (job.output / "config.json").string());
    Checkpoint::open(job.output);
  } catch (const std::exception&) {
    std::throw_with_nested(
        Error("{}: the training command succeeded, but {} holds no usable checkpoint "
              "(expected config.json and safetensors; its output is in {})",
              job.name,
              job.output.string(),
              log.string()));
  }
}

std::vector<std::string> tensor_differences(const std::filesystem::path& a,
                                            const std::filesystem::path& b) {
  const Checkpoint left = Checkpoint::open(a), right = Checkpoint::open(b);
  std::vector<std::string> found;
  for (const std::string& name : left.names()) {
    const TensorEntry* other = right.find(name);
    if (other == nullptr)
      found.push_back(fmt::format("{}: only in {}", name, a.string()));
    else if (other->shape != left.find(name)->shape)
      found.push_back(fmt::format("{}: shape [{}] against [{}]",
                                  name,
                                  fmt::join(left.find(name)->shape, ", "),
                                  fmt::join(other->shape, ", ")));
  }
  for (const std::string& name : right.names())
    if (left.find(name) == nullptr)
      found.push_back(fmt::format("{}: only in {}", name, b.string()));
  return found;
}

}  // namespace demix
