#include "demix/study/context.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "demix/merge/components.h"
#include "demix/run/device.h"
#include "demix/run/early_checks.h"
#include "demix/run/references.h"

namespace demix {

StudyContext::StudyContext(StudyConfig config,
                           const std::filesystem::path& out,
                           const std::optional<Address>& listen)
    : config_(std::move(config)),
      workspace_(config_, write_config(config_), out),
      names_(config_.dataset_names()),
      tokenizer_(run_tokenizer(config_)),
      tasks_(load_tasks(config_.evaluate)),
      sheet_(metrics_of(config_.evaluate, tasks_, held_out_datasets(config_))) {
  resolve_device(config_.device);
  at::set_num_threads(resolve_threads(config_.threads));
  if (listen) {
    coordinator_.emplace(*listen, config_, workspace_.folder(), workspace_.journal());
    workspace_.share_with(&*coordinator_);
  }
  shards_ = prepare_datasets(workspace_, tokenizer_);
  models_ = std::make_unique<Models>(workspace_, shards_, tokenizer_.vocabulary_size());
  models_->base();
  proxies_ = std::make_unique<Proxies>(workspace_, *models_, shards_, tasks_, tokenizer_);
}

StudyContext::~StudyContext() = default;

std::vector<Score> StudyContext::score_model(const ModelFacts& model) {
  return domain_scores(proxies_->score_model(*models_, model), model.name);
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
