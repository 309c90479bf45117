// A table of real proxies: many mixtures of a finished run's components, merged and scored.
//
//     cmake --build --preset release --target bench_proxies
//     build/release/bench_proxies CONFIG COPY_OF_ITS_RUN_FOLDER 500 TABLE [--threads 1]
//
// Writes TABLE.mixtures.csv and TABLE.scores.csv (read by `bench_search --mixtures --scores`), and
// TABLE.items.jsonl: of every proxy what each item adds to each metric of the run's domains
// (bench_race). A third each of the mixtures are draws around the natural one as the paper draws
// them, flat ones, and around uniform weights. Begins where it was interrupted. The folder is
// locked meanwhile and its journal grows: use a copy.
#include "demix/run/proxies.h"

#include <ATen/Parallel.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/run/datasets.h"
#include "demix/run/evaluation.h"
#include "demix/run/metrics.h"
#include "demix/run/models.h"
#include "demix/run/workspace.h"
#include "demix/search/samplers.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

Points mixtures_to_score(const RunConfig& config,
                         const std::map<std::string, DatasetShards>& datasets,
                         size_t count) {
  const Composition composition = composition_of(config);
  const FeasibleSet feasible(composition, {});
  std::vector<double> natural;
  for (const auto& [name, shards] : datasets)
    natural.push_back(static_cast<double>(shards.summary.train_tokens));
  const std::vector<double> uniform(natural.size(), 1);
  Points all(natural.size());
  size_t third = 0;
  for (const auto& [sampler, prior] :
       {std::pair<const char*, const std::vector<double>*>{"dirichlet", &natural},
        {"simplex", &uniform},
        {"dirichlet", &uniform}}) {
    Rng rng = Rng(5).stream("proxies", static_cast<int64_t>(third));
    const SampleRequest request{
        config.search.sampler, *prior, feasible, (count - all.rows()) / (3 - third), &all, {}, 0};
    const Points drawn = sample_by(sampler, request, rng);
    for (size_t i = 0; i < drawn.rows(); ++i) all.add(drawn.row(i));
    ++third;
  }
  // Mixed, so that a table that is cut short holds all kinds.
  std::vector<size_t> order(all.rows());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  Rng(6).shuffle(std::span<size_t>(order));
  Points mixed(natural.size());
  for (size_t i : order) mixed.add(all.row(i));
  return mixed;
}

size_t lines_of(const std::string& file) {
  std::ifstream in(file);
  size_t count = 0;
  for (std::string line; std::getline(in, line);) ++count;
  return count;
}

void run(const fs::path& config_file,
         const fs::path& folder,
         size_t count,
         const std::string& table,
         int threads) {
  at::set_num_threads(threads);
  Workspace workspace(load_run_config(config_file), folder);
  const RunConfig& config = workspace.config();
  const auto names = config.dataset_names();
  const Tokenizer tokenizer = Tokenizer::load(config.tokenizer);
  const auto tasks = load_tasks(config.evaluate);
  const auto metrics = metrics_of(config.evaluate, tasks, held_out_datasets(config));
  const auto datasets = prepare_datasets(workspace, tokenizer);
  Models models(workspace, datasets, tokenizer.vocabulary_size());
  models.base();
  std::vector<ModelRequest> requests;
  const Composition composition = composition_of(config);
  for (size_t i = 0; i < names.size(); ++i) {
    std::vector<double> only(names.size(), 0);
    only[i] = 1;
    requests.push_back(
        {"components/" + names[i], composition.data_shares(only), config.components});
  }
  const Evaluation evaluation(workspace, models, datasets, tasks, tokenizer);
  Proxies proxies(workspace, models, evaluation);
  proxies.load_components(models.train(requests, "components"), config.merge);

  const Points mixtures = mixtures_to_score(config, datasets, count);
  const size_t done = lines_of(table + ".items.jsonl");
  std::ofstream items(table + ".items.jsonl", std::ios::app);
  std::ofstream rows(table + ".mixtures.csv", std::ios::app);
  std::ofstream scores(table + ".scores.csv", std::ios::app);
  if (done == 0) {
    rows << fmt::format("index,{}\n", fmt::join(names, ","));
    scores << "index";
    for (const ScoredMetric& metric : metrics) scores << "," << metric.metric.name;
    scores << "\n";
  }
  Progress progress("proxies", static_cast<int64_t>(mixtures.rows() - done), "proxies");
  for (size_t i = done; i < mixtures.rows(); ++i) {
    const auto row = mixtures.row(i);
    TermsByMetric terms;
    const std::vector<ProxyRequest> request = {
        {{row.begin(), row.end()}, fmt::format("table {}", i + 1), &terms}};
    const auto measured =
        measurements_of(proxies.score(ProxyKind::kMerged, request)[0], metrics, "proxy");
    Json line = {{"weights", request[0].merge_weights}};
    scores << i + 1;
    for (const ScoredMetric& metric : metrics) {
      line["metrics"].push_back({{"name", metric.metric.name},
                                 {"domain", metric.metric.domain},
                                 {"higher_is_better", metric.metric.higher_is_better},
                                 {"terms", terms.at(metric.task).at(metric.measure)}});
      scores << fmt::format(",{:.9g}", measured.at(metric.metric.name).value);
    }
    rows << fmt::format("{},{:.9g}\n", i + 1, fmt::join(row, ","));
    scores << "\n";
    items << line.dump() << "\n" << std::flush;
    rows.flush();
    scores.flush();
    progress.add(1);
  }
}

}  // namespace
}  // namespace demix

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() != 4 && arguments.size() != 6)
      throw demix::Error("usage: bench_proxies CONFIG RUN_FOLDER COUNT TABLE [--threads N]");
    demix::run(arguments[0],
               arguments[1],
               std::stoul(arguments[2]),
               arguments[3],
               arguments.size() == 6 ? std::stoi(arguments[5]) : 1);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_proxies: {}\n", demix::error_chain(error));
    return 1;
  }
}
