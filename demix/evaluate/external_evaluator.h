// Scores by somebody else's program: a command template that gets a model's folder and leaves a
// JSON file of scores.
//
// The file is a list of maps, one for each score:
//
//   [{"task": "my_quiz", "metric": "acc", "value": 0.61, "stderr": 0.02, "n": 500}, …]
//
// `stderr` and `n` may be missing or null, where they are not known. `items` may hold what each
// item adds, whose mean is the value; then `stderr` and `n` follow from it, and parts of the items
// can be compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "demix/evaluate/metrics.h"

namespace demix {

// Of each score with items the model that was scored first, and how many it had: all models must
// have the same.
struct FirstItems {
  std::mutex mutex;
  std::map<std::pair<std::string, std::string>, std::pair<std::string, size_t>> of;
};

struct ExternalEvaluation {
  // For /bin/sh, with placeholders: {model} the model's folder in Hugging Face layout, {output} the
  // file to write, {name}, {seed}, {device} of the process that runs it ("cuda:1"). Values are
  // quoted for the shell; {{ and }} stand for braces.
  std::string command;
  double seconds = 3600;  // then it is killed, with all that it started
  uint64_t seed = 1;
  std::string device = "cpu";
  std::vector<std::pair<std::string, std::string>> wanted;  // task, metric
  std::shared_ptr<FirstItems> first_items = std::make_shared<FirstItems>();
};

struct ExternalScores {
  Scores scores;
  TermsByMetric terms;  // of the scores with items
};

// Throws Error on an unknown placeholder, and where {model} or {output} is missing.
void check_evaluation_command(const std::string& command);

// Runs the command and waits; what it prints replaces `log`. It cannot outlive this process. Throws
// Error naming the model, with the log's last lines, when it fails, takes too long, or leaves no
// file or a file that is not as above, without a wanted score, with a value that is no number, or
// with other items than the model that was scored first.
ExternalScores score_externally(const ExternalEvaluation& evaluation,
                                const std::string& name,
                                const std::filesystem::path& model,
                                const std::filesystem::path& output,
                                const std::filesystem::path& log);

// The file's scores. Throws Error as above.
ExternalScores read_external_scores(const std::filesystem::path& file,
                                    const ExternalEvaluation& evaluation);

}  // namespace demix
