#include "demix/study/context.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/merge/components.h"
#include "demix/run/device.h"
#include "demix/run/early_checks.h"
#include "demix/run/references.h"

namespace demix {
namespace {

void check_floors(const StudyConfig& config, const std::vector<std::string>& domains) {
  for (const auto& [name, most_lost] : config.search.floors) {
    if (std::find(domains.begin(), domains.end(), name) != domains.end()) continue;
    throw Error(
        "search.floors.{}: a study foretells domains ({}), not single scores; give this score a "
        "domain of its own under evaluate.domains, or leave the floor out",
        name,
        fmt::join(domains, ", "));
  }
}

}  // namespace

StudyContext::StudyContext(StudyConfig config,
                           const std::filesystem::path& out,
                           const std::optional<Address>& listen)
    : config_(std::move(config)),
      workspace_(config_, write_config(config_), out),
      names_(config_.dataset_names()),
      tokenizer_(run_tokenizer(config_)),
      tasks_(load_tasks(config_.evaluate)),
      sheet_(metrics_of(config_.evaluate, tasks_, held_out_datasets(config_))) {
  check_before_work(config_, tokenizer_, sheet_.metrics());
  check_floors(config_, domains());
  resolve_device(config_.device);
  at::set_num_threads(resolve_threads(config_.threads));
  if (listen) {
    coordinator_.emplace(*listen, config_, workspace_.folder(), workspace_.journal());
    workspace_.share_with(&*coordinator_);
  }
  shards_ = prepare_datasets(workspace_, tokenizer_);
  for (const std::string& arm : config_.study.decisions.arms) {
    try {
      check_constraints(run_config_of(config_, config_.study.arms.at(arm)), dataset_tokens());
    } catch (const Error& error) {
      throw Error("{}\nwith the components of study.arms.{}", error.what(), arm);
    }
  }
  models_ = std::make_unique<Models>(workspace_, shards_, tokenizer_.vocabulary_size());
  models_->base();
  evaluation_.emplace(workspace_, *models_, shards_, tasks_, tokenizer_);
  model_scorer_.emplace(workspace_, *evaluation_);
  proxies_.emplace(workspace_, *models_, *evaluation_);
}

StudyContext::~StudyContext() = default;

std::vector<std::vector<Score>> StudyContext::score_models(std::span<const ModelFacts> models,
                                                           const std::string& what) {
  Progress progress("score " + what, std::ssize(models), "models");
  size_t shared = 0;
  model_scorer_->share(models, /*with_terms=*/false, [&] {
    ++shared;
    progress.add(1);
  });
  std::vector<std::vector<Score>> scores;
  for (const ModelFacts& model : models) {
    scores.push_back(domain_scores(model_scorer_->score(model), model.name));
    if (scores.size() > shared) progress.add(1);
  }
  return scores;
}

std::vector<Score> StudyContext::own_shares_of(const std::vector<double>& shares) const {
  std::vector<DatasetFacts> datasets;
  for (const std::string& name : names_) {
    datasets.emplace_back();
    datasets.back().name = name;
    datasets.back().domain = config_.datasets.at(name).domain;
  }
  std::vector<DomainFacts> domains_named;
  for (const std::string& domain : domains()) domains_named.push_back({domain, ""});
  return own_shares(shares, datasets, domains_named);
}

bool StudyContext::has_own_shares() const {
  const std::vector<Score> shares =
      own_shares_of(std::vector<double>(names_.size(), 1.0 / static_cast<double>(names_.size())));
  return std::none_of(
      shares.begin(), shares.end(), [](const Score& share) { return std::isnan(share.value); });
}

StageTraining StudyContext::reference_training() const {
  StageTraining training = config_.study.reference;
  if (training.tokens == 0) training.tokens = config_.components.tokens;
  if (!training.learning_rate) training.learning_rate = config_.components.learning_rate;
  if (!training.schedule) training.schedule = config_.components.schedule;
  return training;
}

std::vector<int64_t> StudyContext::dataset_tokens() const {
  std::vector<int64_t> tokens;
  for (const std::string& name : names_) {
    const auto given = config_.datasets.at(name).tokens;
    tokens.push_back(given ? std::llround(*given) : shards_.at(name).summary.train_tokens);
  }
  return tokens;
}

}  // namespace demix
