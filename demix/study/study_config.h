// The configuration of a fidelity study: a run's, and what is varied.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "demix/run/run_config.h"

namespace demix {

// One way to train components and to foretell references from them; what it leaves out is as under
// `components`.
struct StudyArm {
  std::optional<int64_t> tokens;           // else components.tokens
  std::optional<double> learning_rate;     // else the components'
  std::optional<ScheduleConfig> schedule;  // else the components'
  std::optional<double> anchor_share;      // else components.anchor_share
  std::vector<uint64_t> seeds = {1};       // of the components' data order, one experiment each
  // Whether all components of a seed read what they share in the same order.
  bool shared_order = true;
  // false: its components cannot express the references (their share of the anchor is larger), or
  // need not foretell them; it only decides.
  bool foretells = true;
  // Merges beside `merge`: name of the chooser -> method and parameters.
  std::map<std::string, ProxyMethodConfig> merges;
  template <class V>
  void visit(V& v) {
    v("tokens", tokens);
    v("learning_rate", learning_rate);
    v("schedule", schedule);
    v("anchor_share", anchor_share);
    v("seeds", seeds);
    v("shared_order", shared_order);
    v("foretells", foretells);
    v("merges", merges);
  }
  void check() const;
};

// Mixtures that choosers decide for, really trained.
struct StudyDecisions {
  std::vector<std::string> arms;  // whose choosers decide
  size_t component_seeds = 1;     // of each arm, its first ones: every one decides anew
  // Of natural, uniform (and natural_unprojected, uniform_unprojected, as they are), merge and the
  // arm's merges, ensemble, interpolation, own_share, calibrated, references_only, calibrated_few,
  // calibrated_few_cautiously, refined, refined_boldly, refined_cautiously, refined_by_shares (and
  // these with _trained), trained_proxies, regmix, climb. Empty: all but calibrated_few and refined
  // ones.
  std::vector<std::string> choosers;
  std::vector<uint64_t> seeds = {301, 302, 303};  // of the trainings of each decision
  int64_t trained_proxies = 28;  // of RegMix and CLIMB, which share the components' tokens among
                                 // them
  size_t taught = 8;             // references, the first ones, that refined choosers begin with
  size_t refined = 4;            // references that they place themselves
  template <class V>
  void visit(V& v) {
    v("arms", arms);
    v("component_seeds", component_seeds);
    v("choosers", choosers);
    v("seeds", seeds);
    v("trained_proxies", trained_proxies);
    v("taught", taught);
    v("refined", refined);
  }
  void check() const;
  bool wants(const std::string& chooser) const;
  bool refines() const;  // whether some chooser begins with `taught` references
  bool learns() const;   // whether some chooser learns from the references
};

struct StudySection {
  int references = 32;      // `uniform` and random ones, the same for all arms
  double spread = 1.0;      // Dirichlet strength of the random ones, in merge weights under
                            // components.anchor_share
  StageTraining reference;  // how they are trained; default: as components
  std::vector<uint64_t> reference_seeds = {101};  // of their data order
  // The references.csv of an earlier study with the same datasets, base and evaluation: its
  // references are the truth, and none are trained. Import that study's base: one trained anew
  // rounds otherwise, and what the references inherited from theirs it does not foretell.
  std::filesystem::path references_from;
  // Proxies that are really trained: chooser -> tokens of one model on each reference's mixture.
  std::map<std::string, int64_t> shorter;
  std::map<std::string, StudyArm> arms;
  StudyDecisions decisions;
  int bootstrap = 2000;  // resamples of the intervals
  template <class V>
  void visit(V& v) {
    v("references", references);
    v("spread", spread);
    v("reference", reference);
    v("reference_seeds", reference_seeds);
    v("references_from", references_from);
    v("shorter", shorter);
    v("arms", arms);
    v("decisions", decisions);
    v("bootstrap", bootstrap);
  }
  void check() const;
};

struct StudyConfig : RunConfig {
  StudySection study;
  template <class V>
  void visit(V& v) {
    RunConfig::visit(v);
    v("study", study);
  }
  void check() const;
};

// As load_run_config.
StudyConfig load_study_config(const std::filesystem::path& path);

// The run's configuration as an arm changes it.
RunConfig run_config_of(const StudyConfig& config, const StudyArm& arm);

}  // namespace demix
