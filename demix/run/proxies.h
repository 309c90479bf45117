// Scores of proxies that are put together from the run's components.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/evaluate/experts.h"
#include "demix/run/evaluation.h"
#include "demix/run/loaded_components.h"
#include "demix/run/models.h"
#include "demix/run/proxy.h"
#include "demix/run/score_book.h"
#include "demix/run/workspace.h"

namespace demix {

// Each proxy is scored on the same items once, as long as it is of the same content: neither names
// nor what was loaded meanwhile count.
class Proxies {
 public:
  // What it refers to outlives it.
  Proxies(Workspace& workspace, const Models& models, const Evaluation& evaluation);
  ~Proxies();

  // Loads the components that proxies are of from now on; call first.
  void load_components(std::vector<ModelFacts> components, const MergeConfig& merge);
  // Loads them again after release_components.
  const Components& components();
  // Gives their memory back, and that of the proxies; what needs them loads them again. What
  // ensembles are made of, the components' token probabilities, stays.
  void release_components();

  // The scores of these, in order. They are merged by the configured method, as many at once as
  // their storage allows, by this process and the run's workers. Each one's scores are recorded as
  // soon as they are known; `done` is called then.
  std::vector<Scores> score(
      ProxyKind kind,
      std::span<const ProxyRequest> requests,
      const std::function<void()>& done = [] {});

  // What ensembles are made of: token probabilities of the components, by one pass of each when
  // they are first asked for.
  const Experts& experts(Items items);

  // Of proxies of the search.
  ProxySetup setup(ProxyKind kind) const;
  // Identifies these proxies, in this order, and what they are scored on.
  std::string key_of(ProxyKind kind, std::span<const ProxyRequest> requests) const;

 private:
  std::string key_of(ProxyKind kind, const ProxyRequest& request) const;
  ScoreEntry entry_of(ProxyKind kind, const ProxyRequest& request) const;
  // Whether the book has all that is asked for.
  bool is_merge_recorded(const ProxyRequest& request) const;
  std::vector<Scores> score_merges(std::span<const ProxyRequest> requests,
                                   const std::function<void()>& done);
  // For proxies of the selection that an evaluation command would score, if the book has them: it
  // need not be run again for a part of its items.
  std::optional<ItemisedScores> scores_on_all(const ProxyRequest& merge) const;
  // Has those that are not recorded scored by this process and the run's workers.
  void share_merges(std::span<const ProxyRequest> requests, const std::function<void()>& done);
  std::vector<Scores> score_ensembles(std::span<const ProxyRequest> requests,
                                      const std::function<void()>& done);

  Workspace& workspace_;
  const Models& models_;
  const Evaluation& evaluation_;
  ScoreBook book_;
  std::vector<ModelFacts> components_;
  MergeConfig merge_;
  ProxySetup setup_;  // of merges
  std::optional<LoadedComponents> loaded_;
  std::map<const Scorer*, Experts> experts_;  // of the components, on the scorer's items
};

}  // namespace demix
