#include "demix/run/overlaps.h"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/parallel_for.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/overlap.h"
#include "demix/run/metrics.h"

namespace demix {
namespace {

constexpr int64_t kCodeVersion = 2;
// Share of a task's items, and number of them, from which a dataset is warned of.
constexpr double kMuch = 0.01;
constexpr int64_t kSome = 2;
constexpr int64_t kDocumentsAtOnce = 256;

Overlap::Items items_in(const Overlap& overlap,
                        const Shard& shard,
                        const Tokenizer& tokenizer,
                        int threads,
                        Progress& progress) {
  const auto chunks =
      static_cast<size_t>((shard.documents() + kDocumentsAtOnce - 1) / kDocumentsAtOnce);
  Overlap::Items seen = overlap.none();
  std::mutex mutex;
  parallel_for(chunks, threads, [&](size_t chunk) {
    const auto offsets = shard.offsets();
    const int64_t begin = static_cast<int64_t>(chunk) * kDocumentsAtOnce;
    const int64_t end = std::min(begin + kDocumentsAtOnce, shard.documents());
    Overlap::Items here = overlap.none();
    std::vector<int32_t> tokens;
    for (int64_t i = begin; i < end; ++i) {
      const uint64_t from = offsets[static_cast<size_t>(i)],
                     to = offsets[static_cast<size_t>(i) + 1];
      tokens.resize(to - from);
      shard.copy(static_cast<int64_t>(from), tokens);
      overlap.mark(tokenizer.decode(tokens), here);
    }
    const std::lock_guard lock(mutex);
    for (size_t k = 0; k < seen.size(); ++k) seen[k] = seen[k] || here[k];
    progress.add(end - begin);
  });
  return seen;
}

}  // namespace

std::vector<OverlapFacts> find_overlaps(Workspace& workspace,
                                        const std::map<std::string, DatasetShards>& datasets,
                                        const Tokenizer& tokenizer) {
  // Without examples in the prompts, which other items would share.
  EvaluateConfig evaluate = workspace.config().evaluate;
  for (const std::string& task : evaluate.tasks) evaluate.fewshot[task] = 0;
  const std::vector<Task> tasks = load_tasks(evaluate);
  if (tasks.empty()) return {};
  Hasher hasher;
  hasher.field("overlap").field(kCodeVersion).field(tokenizer.fingerprint());
  for (const Task& task : tasks) hasher.field(task.name).field(task.hash);
  const std::string tasks_hash = hasher.hex();

  const Overlap overlap(tasks);
  const std::vector<int64_t> judged = overlap.by_task(overlap.judged());
  std::vector<OverlapFacts> facts;
  for (size_t t = 0; t < tasks.size(); ++t)
    facts.push_back({tasks[t].name, static_cast<int64_t>(tasks[t].items.size()), judged[t], {}});
  for (const auto& [name, shards] : datasets) {
    const std::string key = Hasher().field(tasks_hash).field(shards.summary.train_hash).hex();
    std::vector<int64_t> counts;
    if (const auto found = workspace.journal().find("overlap", key)) {
      found->get_to(counts);
    } else {
      Progress progress("benchmarks in " + name, shards.train.documents(), "documents");
      const int threads = workspace.config().threads;
      counts = overlap.by_task(items_in(overlap, shards.train, tokenizer, threads, progress));
      workspace.journal().put("overlap", key, name, counts);
    }
    for (size_t t = 0; t < tasks.size(); ++t) facts[t].seen.push_back(counts.at(t));
  }
  return facts;
}

std::vector<std::string> warnings_of(const std::vector<OverlapFacts>& overlaps,
                                     const std::vector<std::string>& datasets) {
  std::vector<std::string> warnings;
  for (size_t d = 0; d < datasets.size(); ++d) {
    std::vector<std::string> tasks;
    for (const OverlapFacts& facts : overlaps) {
      const int64_t seen = facts.seen.at(d);
      if (seen < kSome || static_cast<double>(seen) < kMuch * static_cast<double>(facts.judged))
        continue;
      tasks.push_back(fmt::format("{} ({} of {} items)", facts.task, seen, facts.judged));
    }
    if (tasks.empty()) continue;
    warnings.push_back(fmt::format(
        "Dataset {} holds text of benchmarks: {}. What a model scores on them with this "
        "data may be memory, which favours the dataset.",
        datasets[d],
        fmt::join(tasks, ", ")));
  }
  return warnings;
}

}  // namespace demix
