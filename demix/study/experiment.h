// Components trained one way with one seed, and what the choosers make of them.
#pragma once

#include <string>
#include <vector>

#include "demix/core/mixture.h"
#include "demix/study/context.h"
#include "demix/study/tables.h"

namespace demix {

class Experiment {
 public:
  // Trains the components (those that are there are read) and scores them.
  Experiment(StudyContext& context,
             const std::string& arm_name,
             const StudyArm& arm,
             uint64_t seed);

  const std::string& name() const { return name_; }
  const Composition& composition() const { return composition_; }
  // Tokens that its components were trained on, in all.
  int64_t tokens() const { return tokens_; }

  // Oriented scores by domain, one entry per mixture of merge weights.
  using DomainScores = std::vector<std::vector<Score>>;
  // Of proxies merged by one of merge_names().
  DomainScores merged(const std::string& merge, const std::vector<std::vector<double>>& weights);
  std::vector<std::string> merge_names() const;
  // Of mixtures of the components' token probabilities.
  DomainScores ensembles(const std::vector<std::vector<double>>& weights);
  // Of the components, averaged.
  DomainScores interpolations(const std::vector<std::vector<double>>& weights) const;
  DomainScores own_shares(const std::vector<std::vector<double>>& weights) const;

  // What is known before any reference is trained. Loads the components for "merge".
  SignRow signs();

 private:
  void load(const std::string& merge);
  DomainScores proxies(ProxyKind kind,
                       const std::string& merge,
                       const std::vector<std::vector<double>>& weights);

  StudyContext& context_;
  std::string name_;
  std::map<std::string, ProxyMethodConfig> merges_;
  Composition composition_;
  int64_t tokens_ = 0;
  std::vector<ModelFacts> components_;
  std::vector<std::vector<Score>> component_scores_;
  std::string loaded_;  // merge
};

}  // namespace demix
