#include "demix/run/proxies.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/merge/components.h"
#include "demix/run/coordinator.h"
#include "demix/run/device.h"
#include "demix/run/worker.h"

namespace demix {

Proxies::Proxies(Workspace& workspace, const Models& models, const Evaluation& evaluation)
    : workspace_(workspace), models_(models), evaluation_(evaluation), book_(workspace.journal()) {}

Proxies::~Proxies() = default;

void Proxies::load_components(std::vector<ModelFacts> components, const MergeConfig& merge) {
  loaded_.reset();  // its memory serves the others
  const RunConfig& config = workspace_.config();
  const ProxyMethod method(merge, components.size(), config.seed);
  const std::vector<double> equal(components.size(), 1.0 / static_cast<double>(components.size()));
  ProxySetup setup{.base = models_.base_facts().weights_hash,
                   .merge = method.key(),
                   .sum_of_models = method.factors(equal).has_value(),
                   .dtype = config.evaluate.dtype,
                   .tasks = evaluation_.task_hashes(Items::kSelection)};
  // Rounded components give other proxies; where they lie makes no difference.
  if (merge.dtype == "bfloat16") setup.merge += ", of components in bfloat16";
  std::vector<ComponentFolder> folders;
  for (const ModelFacts& component : components) {
    folders.push_back({component.name, component.folder});
    setup.components.push_back(component.weights_hash);
    setup.names.push_back(component.name);
  }
  if (setup.components != setup_.components) experts_.clear();
  components_ = std::move(components);
  merge_ = merge;
  setup_ = std::move(setup);
  for (const ProxyKind kind : {ProxyKind::kMerged, ProxyKind::kEnsemble}) {
    const ProxySetup its_setup = this->setup(kind);
    workspace_.journal().put("setup", setup_key(its_setup), "", Json(its_setup));
  }
  const ProxyTarget target{resolve_device(config.device),
                           resolve_dtype(config.evaluate.dtype, "evaluate.dtype"),
                           workspace_.folder()};
  loaded_.emplace([this, folders, method, target] {
    return std::make_unique<Components>(
        models_.architecture(), models_.base_facts().folder, folders, method, target, merge_);
  });
}

const Components& Proxies::components() {
  DEMIX_CHECK(loaded_);
  return loaded_->components();
}

void Proxies::release_components() {
  if (loaded_) loaded_->release();
}

std::vector<Scores> Proxies::score(ProxyKind kind,
                                   std::span<const ProxyRequest> requests,
                                   const std::function<void()>& done) {
  if (kind == ProxyKind::kEnsemble) return score_ensembles(requests, done);
  if (!workspace_.coordinator()) return score_merges(requests, done);
  share_merges(requests, done);
  return score_merges(requests, [] {});
}

ProxySetup Proxies::setup(ProxyKind kind) const {
  ProxySetup setup = setup_;
  if (kind == ProxyKind::kEnsemble) {
    setup.merge = "ensemble";
    setup.sum_of_models = true;
  }
  return setup;
}

std::string Proxies::key_of(ProxyKind kind, std::span<const ProxyRequest> requests) const {
  Hasher hasher;
  for (const ProxyRequest& request : requests) hasher.field(key_of(kind, request));
  return hasher.hex();
}

std::string Proxies::key_of(ProxyKind kind, const ProxyRequest& request) const {
  return proxy_key(setup(kind), request.merge_weights, evaluation_.hash(request.items));
}

ScoreEntry Proxies::entry_of(ProxyKind kind, const ProxyRequest& request) const {
  ScoreEntry entry{.key = key_of(kind, request),
                   .name = request.name,
                   .proxy = ScoredProxy{request.merge_weights, ""}};
  // Of an ensemble no model reads an item.
  if (kind == ProxyKind::kMerged) entry.items = evaluation_.scorer(request.items).items();
  if (request.items == Items::kSelection) entry.proxy->setup = setup_key(setup(kind));
  return entry;
}

bool Proxies::is_merge_recorded(const ProxyRequest& request) const {
  return book_.has(key_of(ProxyKind::kMerged, request), request.terms);
}

std::vector<Scores> Proxies::score_merges(std::span<const ProxyRequest> requests,
                                          const std::function<void()>& done) {
  DEMIX_CHECK(loaded_);
  std::map<size_t, const Weights*> merged;  // by request
  // Merges a request together with those after it that are still to be scored.
  const auto merge_from = [&](size_t first) {
    std::vector<size_t> places;
    std::vector<std::vector<double>> mixtures;
    for (size_t i = first; i < requests.size() && places.size() < loaded_->most_at_once(); ++i) {
      if (i > first && is_merge_recorded(requests[i])) continue;
      places.push_back(i);
      mixtures.push_back(requests[i].merge_weights);
    }
    const std::span<const Weights> weights = loaded_->merge(mixtures);
    merged.clear();
    for (size_t i = 0; i < places.size(); ++i) merged[places[i]] = &weights[i];
  };

  std::vector<Scores> scores;
  for (size_t i = 0; i < requests.size(); ++i) {
    const ProxyRequest& request = requests[i];
    const auto of_merge = [&](TermsByMetric* terms, ScoreJournal& items) {
      if (!merged.contains(i)) merge_from(i);
      return evaluation_.score(
          *merged.at(i), request.name, request.items, terms, items, scores_on_all(request));
    };
    scores.push_back(book_.find_or(entry_of(ProxyKind::kMerged, request), request.terms, of_merge));
    done();
  }
  return scores;
}

std::optional<ItemisedScores> Proxies::scores_on_all(const ProxyRequest& merge) const {
  if (workspace_.config().evaluate.command.empty() || merge.items == Items::kAll)
    return std::nullopt;
  ProxyRequest on_all = merge;
  on_all.items = Items::kAll;
  return book_.find(key_of(ProxyKind::kMerged, on_all));
}

void Proxies::share_merges(std::span<const ProxyRequest> requests,
                           const std::function<void()>& done) {
  std::vector<ProxyRequest> missing;
  for (const ProxyRequest& request : requests) {
    if (is_merge_recorded(request)) {
      done();
    } else {
      missing.push_back(request);
    }
  }
  if (missing.empty()) return;
  DEMIX_CHECK(loaded_);
  // Merged together proxies cost less; in small parts all have something to do until the end.
  const size_t parts = 4 * (1 + static_cast<size_t>(workspace_.coordinator()->workers()));
  const size_t size = std::clamp<size_t>(missing.size() / parts, 1, loaded_->most_at_once());
  std::vector<std::span<const ProxyRequest>> shares;
  std::vector<Unit> units;
  for (size_t first = 0; first < missing.size(); first += size) {
    const auto share = std::span<const ProxyRequest>(missing).subspan(
        first, std::min(size, missing.size() - first));
    const auto is_recorded = [this, share] {
      return std::all_of(share.begin(), share.end(), [this](const ProxyRequest& request) {
        return is_merge_recorded(request);
      });
    };
    shares.push_back(share);
    units.push_back({.name = share.front().name,
                     .job = scoring_job(share, components_, merge_),
                     .here = [this, share] { score_merges(share, [] {}); },
                     .is_recorded = is_recorded});
  }
  do_all(workspace_.coordinator(), units, 1, [&](size_t unit) {
    for (size_t i = 0; i < shares[unit].size(); ++i) done();
  });
}

std::vector<Scores> Proxies::score_ensembles(std::span<const ProxyRequest> requests,
                                             const std::function<void()>& done) {
  std::vector<Scores> scores;
  for (const ProxyRequest& request : requests) {
    const auto of_ensemble = [&](TermsByMetric* terms, ScoreJournal&) {
      return evaluation_.scorer(request.items)
          .mixed_score(experts(request.items), request.merge_weights, terms);
    };
    scores.push_back(
        book_.find_or(entry_of(ProxyKind::kEnsemble, request), request.terms, of_ensemble));
    done();
  }
  return scores;
}

const Experts& Proxies::experts(Items items) {
  const Scorer* scorer = &evaluation_.scorer(items);
  auto known = experts_.find(scorer);
  if (known == experts_.end()) {
    DEMIX_CHECK(!components_.empty());
    known =
        experts_.emplace(scorer, evaluation_.read_experts(components_, items, "read components"))
            .first;
  }
  return known->second;
}

}  // namespace demix
