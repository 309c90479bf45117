#include "demix/run/proxies.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "demix/core/hash.h"
#include "demix/corpus/tokenizer.h"
#include "demix/merge/components.h"
#include "demix/model/decoder.h"
#include "demix/run/device.h"

namespace demix {
namespace {

Json journal_value(const Scores& scores, int64_t items, bool merged) {
  return {{"scores", scores}, {"items", items}, {"merged", merged}};
}

}  // namespace

Proxies::Proxies(Workspace& workspace,
                 const Models& models,
                 const std::map<std::string, DatasetShards>& datasets,
                 std::vector<Task> tasks,
                 const Tokenizer& tokenizer)
    : workspace_(workspace) {
  const RunConfig& config = workspace.config();
  decoder_ = std::make_unique<Decoder>(models.architecture(), resolve_device(config.device));
  std::vector<Scorer::HeldOut> held_out;
  if (config.evaluate.held_out_tokens > 0) {
    for (const std::string& name : config.dataset_names()) {
      held_out.push_back({name, datasets.at(name).held_out, config.evaluate.held_out_tokens});
    }
  }
  ScorerConfig scorer;
  scorer.tokens_per_pass = config.evaluate.tokens_per_pass;
  scorer_ =
      std::make_unique<Scorer>(std::move(tasks), std::move(held_out), tokenizer, *decoder_, scorer);
}

Proxies::~Proxies() = default;

void Proxies::load_components(const Models& models, const std::vector<ModelFacts>& components) {
  const RunConfig& config = workspace_.config();
  std::vector<std::string> names;
  std::vector<Weights> weights;
  Hasher hasher;
  for (const ModelFacts& component : components) {
    names.push_back(component.name);
    weights.push_back(models.load(component));
    hasher.field(component.weights_hash);
  }
  components_hash_ = hasher.hex();
  const at::ScalarType dtype = resolve_dtype(config.evaluate.dtype, "evaluate.dtype");
  // Resident in float32, so that a proxy is rounded once; the components of a run that cannot
  // afford it are bfloat16 files to begin with.
  components_ = std::make_unique<Components>(models.architecture(),
                                             std::move(names),
                                             std::move(weights),
                                             models.load(models.base_facts()),
                                             at::kFloat,
                                             resolve_device(config.device));
  merged_ = std::make_unique<Weights>(components_->allocate(dtype));
}

Scores Proxies::score_model(const Models& models, const ModelFacts& facts, TermsByMetric* terms) {
  const RunConfig& config = workspace_.config();
  const std::string key = Hasher()
                              .field("model")
                              .field(facts.weights_hash)
                              .field(config.evaluate.dtype)
                              .field(scorer_->hash())
                              .hex();
  const auto score = [&] {
    const Weights weights = weights_over(
        models.architecture(),
        models.load(facts).flat.to(resolve_device(config.device),
                                   resolve_dtype(config.evaluate.dtype, "evaluate.dtype")));
    return scorer_->score(weights, nullptr, nullptr, terms);
  };
  return kept_or(score, key, facts.name, false, terms);
}

Scores Proxies::score_merge(std::span<const double> merge_weights,
                            const std::string& name,
                            TermsByMetric* terms) {
  const RunConfig& config = workspace_.config();
  Hasher hasher;
  hasher.field("linear merge").field(components_hash_);
  for (const double weight : merge_weights) hasher.field(weight);
  const std::string key = hasher.field(config.evaluate.dtype).field(scorer_->hash()).hex();
  const auto score = [&] {
    components_->merge(merge_weights, 1, *merged_);
    return scorer_->score(*merged_, nullptr, nullptr, terms);
  };
  return kept_or(score, key, name, true, terms);
}

Scores Proxies::kept_or(const std::function<Scores()>& score,
                        const std::string& key,
                        const std::string& name,
                        bool merged,
                        TermsByMetric* terms) {
  Journal& journal = workspace_.journal();
  const auto found = journal.find("score", key);
  const auto found_terms = terms ? journal.find("terms", key) : std::nullopt;
  if (found && (!terms || found_terms)) {
    if (terms) *terms = found_terms->get<TermsByMetric>();
    return found->at("scores").get<Scores>();
  }
  const Scores scores = score();
  if (terms) journal.put("terms", key, name, *terms);
  journal.put("score", key, name, journal_value(scores, scorer_->items(), merged));
  return scores;
}

int64_t Proxies::proxies_scored() const {
  int64_t count = 0;
  for (const JournalEntry& entry : workspace_.journal().all("score")) {
    count += entry.value.at("merged").get<bool>();
  }
  return count;
}

int64_t Proxies::items_scored() const {
  int64_t count = 0;
  for (const JournalEntry& entry : workspace_.journal().all("score")) {
    count += entry.value.at("items").get<int64_t>();
  }
  return count;
}

}  // namespace demix
