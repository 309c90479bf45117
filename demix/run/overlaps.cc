#include "demix/run/overlaps.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/parallel_for.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/overlap.h"
#include "demix/report/words.h"
#include "demix/run/metrics.h"

namespace demix {
namespace {

constexpr int64_t kCodeVersion = 3;
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

// Share of a dataset's documents from which another that has them as well is warned of.
constexpr double kMuchShared = 0.01;
constexpr size_t kPairsNamed = 3;

// Of every document's tokens, sorted.
std::vector<uint64_t> document_hashes(const Shard& shard) {
  std::vector<uint64_t> hashes;
  std::vector<int32_t> tokens;
  const auto offsets = shard.offsets();
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    tokens.resize(offsets[i + 1] - offsets[i]);
    shard.copy(static_cast<int64_t>(offsets[i]), tokens);
    const std::string_view bytes(reinterpret_cast<const char*>(tokens.data()),
                                 tokens.size() * sizeof(int32_t));
    hashes.push_back(std::hash<std::string_view>()(bytes));
  }
  std::sort(hashes.begin(), hashes.end());
  return hashes;
}

int64_t in_both(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  std::vector<uint64_t> common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  return static_cast<int64_t>(common.size());
}

}  // namespace

std::vector<SharedFacts> find_shared_documents(
    Workspace& workspace, const std::map<std::string, DatasetShards>& datasets) {
  std::map<std::string, std::vector<uint64_t>> known;
  const auto hashes = [&](const std::string& name) -> const std::vector<uint64_t>& {
    const auto found = known.find(name);
    if (found != known.end()) return found->second;
    return known[name] = document_hashes(datasets.at(name).train);
  };
  std::vector<SharedFacts> facts;
  for (auto a = datasets.begin(); a != datasets.end(); ++a) {
    for (auto b = std::next(a); b != datasets.end(); ++b) {
      std::string one = a->second.summary.train_hash, other = b->second.summary.train_hash;
      if (other < one) std::swap(one, other);
      const std::string key = Hasher().field("shared documents").field(one).field(other).hex();
      int64_t documents = 0;
      if (const auto found = workspace.journal().find("shared", key)) {
        found->get_to(documents);
      } else {
        documents = in_both(hashes(a->first), hashes(b->first));
        workspace.journal().put("shared", key, a->first + " and " + b->first, documents);
      }
      if (documents > 0) facts.push_back({a->first, b->first, documents});
    }
  }
  return facts;
}

std::vector<std::string> warnings_of(const std::vector<SharedFacts>& shared,
                                     const std::map<std::string, DatasetShards>& datasets) {
  const auto share = [&](const SharedFacts& facts, const std::string& name) {
    return static_cast<double>(facts.documents) /
           static_cast<double>(datasets.at(name).summary.train_documents);
  };
  const auto larger = [&](const SharedFacts& facts) {
    return std::max(share(facts, facts.a), share(facts, facts.b));
  };
  std::vector<SharedFacts> much;
  for (const SharedFacts& facts : shared)
    if (larger(facts) >= kMuchShared) much.push_back(facts);
  if (much.empty()) return {};
  std::stable_sort(much.begin(), much.end(), [&](const SharedFacts& x, const SharedFacts& y) {
    return larger(x) > larger(y);
  });
  std::vector<std::string> pairs;
  for (const SharedFacts& facts : much) {
    pairs.push_back(fmt::format("{} with {} ({} documents, {:.1f} and {:.1f} % of theirs)",
                                facts.a,
                                facts.b,
                                facts.documents,
                                100 * share(facts, facts.a),
                                100 * share(facts, facts.b)));
  }
  return {fmt::format(
      "{} of datasets ha{} documents in common: {}. What trains on both sees these twice, and "
      "which of the two should have the weight is hard to tell.",
      much.size() == 1 ? "One pair" : fmt::format("{} pairs", much.size()),
      much.size() == 1 ? "s" : "ve",
      in_prose(pairs, kPairsNamed))};
}

std::vector<OverlapFacts> find_overlaps(Workspace& workspace,
                                        const std::vector<Task>& tasks,
                                        const std::map<std::string, DatasetShards>& datasets,
                                        const Tokenizer& tokenizer) {
  if (tasks.empty()) return {};
  Hasher hasher;
  hasher.field("overlap").field(kCodeVersion).field(tokenizer.fingerprint());
  for (const Task& task : tasks) hasher.field(task.name).field(task.hash);
  const std::string tasks_hash = hasher.hex();
  // Made only where a dataset is not in the journal.
  std::optional<Overlap> overlap;
  const auto make_overlap = [&] {
    // Without examples in the prompts, which other items would share.
    EvaluateConfig evaluate = workspace.config().evaluate;
    for (const std::string& task : evaluate.tasks) evaluate.fewshot[task] = 0;
    overlap.emplace(load_tasks(evaluate));
  };

  std::vector<OverlapFacts> facts;
  for (const Task& task : tasks)
    facts.push_back({task.name, static_cast<int64_t>(task.items.size()), 0, {}});
  for (const auto& [name, shards] : datasets) {
    const std::string key = Hasher().field(tasks_hash).field(shards.summary.train_hash).hex();
    std::optional<Json> entry = workspace.journal().find("overlap", key);
    if (!entry) {
      if (!overlap) make_overlap();
      Progress progress("benchmarks in " + name, shards.train.documents(), "documents");
      const int threads = workspace.config().threads;
      entry = {{"judged", overlap->by_task(overlap->judged())},
               {"seen",
                overlap->by_task(items_in(*overlap, shards.train, tokenizer, threads, progress))}};
      workspace.journal().put("overlap", key, name, *entry);
    }
    for (size_t t = 0; t < tasks.size(); ++t) {
      facts[t].judged = entry->at("judged").at(t).get<int64_t>();
      facts[t].seen.push_back(entry->at("seen").at(t).get<int64_t>());
    }
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
      if (!is_much(seen, facts.judged)) continue;
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
