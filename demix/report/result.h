// What a run found out, as plain values: filled stage by stage, written to result.json,
// details.json and mixture.csv, and rendered as report.html. Torch-free.
//
// Conventions that hold for every struct below:
//   * a vector over datasets, domains or tasks is in the order of RunResult::datasets, ::domains or
//     ::tasks; it is either empty (nothing known yet) or of exactly that length
//   * a number that is not known is kUnknown, and null in JSON
//   * scores of tasks are in the unit of the task's metric; scores of domains are oriented so that
//     higher is better, as every rank is taken on them
//   * stages fill what they have; a half-filled result renders, and the page says what is missing
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace demix {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// A measured score with its standard error.
struct Score {
  double value = kUnknown;
  double standard_error = kUnknown;
};

inline std::vector<double> values_of(const std::vector<Score>& scores) {
  std::vector<double> values;
  for (const Score& score : scores) values.push_back(score.value);
  return values;
}
inline std::vector<double> errors_of(const std::vector<Score>& scores) {
  std::vector<double> errors;
  for (const Score& score : scores) errors.push_back(score.standard_error);
  return errors;
}

// A statistic with its 95 % bootstrap interval.
struct Estimate {
  double value = kUnknown;
  double low = kUnknown, high = kUnknown;
};

// Entry i of scores that may not be known yet.
inline Score score_at(const std::vector<Score>& scores, size_t i) {
  return scores.empty() ? Score{} : scores[i];
}

struct DatasetFacts {
  std::string name;
  std::string domain;     // the domain whose scores its data serve; empty if none
  std::string path;       // of the tokenised shard, as written into the Megatron blend line
  int64_t documents = 0;  // after removal of duplicates
  int64_t duplicates_removed = 0;
  int64_t train_tokens = 0, heldout_tokens = 0;
  // Of the whole dataset, which our shards may be a sample of: what natural shares and the epochs
  // of the real training count.
  int64_t available_tokens = 0;
  int64_t bytes = 0;  // of text, train and held-out
};

struct DomainFacts {
  std::string name;
  std::string unit;  // of its score, in words: "negative bits per byte", "choice probability"
};

struct TaskFacts {
  std::string name;
  std::string domain;
  std::string metric;  // "choice_prob", "bpb", …
  bool higher_is_better = true;
  double chance =
      kUnknown;  // the metric's value for a model that knows nothing, where there is one
  int64_t items = 0;
};

// How many items of a task stand in the training text of each dataset (demix/evaluate/overlap.h).
struct OverlapFacts {
  std::string task;
  int64_t items = 0, judged = 0;  // those that are too short are not judged
  std::vector<int64_t> seen;      // by dataset
};

// Whether so many of the judged items stand in a text that scores on them mean something else.
inline bool is_much(int64_t seen, int64_t judged) {
  constexpr double kMuch = 0.01;
  constexpr int64_t kSome = 2;
  return seen >= kSome && static_cast<double>(seen) >= kMuch * static_cast<double>(judged);
}

// Whether a data share is more than what is printed as 0.0 %.
inline bool has_share(double share) { return share >= 5e-4; }

// How many training documents stand, token for token, in both of two datasets.
struct SharedFacts {
  std::string a, b;
  int64_t documents = 0;
};

// The scores of one model (or of one way to foresee it), by domain and by task.
struct ModelScores {
  std::vector<Score> domains;
  std::vector<Score> tasks;
};

// One mixture with everything that was measured or predicted about it: a reference or a baseline.
struct MixtureFacts {
  std::string name;
  std::vector<double> mixture;        // data shares p, by dataset
  std::vector<double> merge_weights;  // α, by dataset; empty where no α ≥ 0 gives p
  ModelScores proxy;                  // of the merge or ensemble that stands in for it
  ModelScores trained;                // of the model really trained on the mixture
  // What the predictors said before the proxy was measured, with the error of such a measurement,
  // and what it then scored on the same items, which are those that the search selected by.
  ModelScores predicted, measured;
  // What the found mixture scores above this one, paired on the same items, where the search
  // selects by a share of them on the others: of really trained models where there are any, else
  // of the proxies. For the baselines, and for what the search found where it is not handed over.
  ModelScores found_gain;
  // The same of the proxies, also where models were trained.
  ModelScores found_gain_proxy;
  // The two choosers that need no merging, by domain, higher is better.
  std::vector<Score> interpolation;  // of the components' scores, by merge weight
  std::vector<Score> own_share;      // share of the domain's own data
  // Of the other kind of proxy than `proxy`: the ensemble of the components, or the merged model.
  std::vector<Score> other_proxy;
  // What all of these lead to expect, by calibration on the other references
  // (demix/validate/calibration.h).
  std::vector<Score> calibrated;
  bool in_correlations = true;  // false: shown, but outside every statistic
  std::string note;             // in plain words, e.g. how far it was projected; may be empty
};

// How well a chooser predicted the references. Regret in standard deviations of the references'
// scores.
struct Agreement {
  Estimate spearman, spearman_top25, pearson, capability_recovery, regret;
};

struct ChooserFidelity {
  Agreement macro;
  std::vector<Agreement> domains;
};

// How far the proxies can be trusted, from what is known before any reference is trained
// (demix/validate/gauge.h).
struct GaugeFacts {
  double value = kUnknown;  // in [0, 1]
  std::string verdict;
  std::vector<double> domains;
  bool broken = false;  // merging breaks, or components lie far from the base
};

// Whether components were trained long enough to rank mixtures (demix/validate/length_gauge.h).
struct LengthFacts {
  double value = kUnknown;  // in [-1, 1]
  std::string verdict;      // empty where it was not asked
  std::vector<double> domains;
  double share = kUnknown;  // of their training that the early components had
};

// What components and base score on the datasets' held-out text, in bits per byte, and whether each
// component learned its own dataset (demix/validate/own_data.h). Empty where no such text is
// scored.
struct OwnDataFacts {
  struct Component {
    std::string reading;  // by name_of() there; empty: not checked
    std::string best;     // the dataset whose component is the best on this one's text
  };
  std::vector<Component> components;
  std::vector<std::vector<double>> bits;  // [component][dataset]
  std::vector<double> base;               // by dataset
};

struct Fidelity {
  int64_t references = 0;  // that entered the statistics
  ChooserFidelity proxy;
  ChooserFidelity own_share, interpolation;  // the free baselines
  ChooserFidelity other_proxy;
  ChooserFidelity calibrated;  // by the other references: each is left out of its own estimate
  // The proxy's macro Spearman minus that of a free baseline, and the same of the macro regret; on
  // the same resamples.
  struct Lead {
    Estimate spearman, regret;
  };
  Lead over_own_share, over_interpolation, over_other_proxy;
  Lead over_calibrated;
};

// One proxy of the search, in the order in which they were scored.
struct SearchedProxy {
  int64_t round = 0;  // from 0; -1: from another run
  std::vector<double> mixture;
  std::vector<double> merge_weights;
  std::vector<Score> domains;
  double objective = kUnknown;            // higher is better
  double predicted_objective = kUnknown;  // by the predictor that proposed it; unknown in round 0
};

// One predictor's cross-validation on one metric.
struct PredictorFit {
  std::string name;
  std::string metric;
  double cv_spearman = kUnknown, cv_mae = kUnknown;
  double coverage90 = kUnknown;  // share of the left-out proxies inside their 90 % intervals
  bool chosen = false;
};

// How far the found mixture's share of a dataset can move, the other merge weights in their ratios,
// before the predicted objective falls by SearchEnd::objective_error.
struct ShareTolerance {
  double low = kUnknown, high = kUnknown;      // data shares
  bool low_bound = false, high_bound = false;  // a constraint ends the range first
};

// A mixture on the Pareto front over the domains, as predicted.
struct FrontMixture {
  std::vector<double> mixture, merge_weights;
  std::vector<Score> domains;  // errors: of the prediction
};

// How the search ended.
struct SearchEnd {
  std::string decision;  // in words: how the mixture was chosen from the predictions
  std::string stopped;   // in words: what ended it
  // What one more proxy is expected to gain, in standard deviations of the goal over the proxies.
  double next_gain = kUnknown;
  // Standard deviation of a proxy's objective from its prediction.
  double objective_error = kUnknown;
  double select_share = 1;  // of the items that it selected by; below 1 gains are of the others
};

// A model that was trained or imported: what it consumed and where that led.
struct TrainedModel {
  std::string name;
  std::string kind;        // "base", "component" or "reference"
  std::string trained_by;  // the run that it was taken from; empty: this one
  int64_t tokens = 0;
  std::vector<double> asked_shares;        // by dataset
  std::vector<int64_t> tokens_by_dataset;  // really consumed
  std::vector<double> epochs_by_dataset;   // really consumed
  double final_loss = kUnknown;            // training loss, nats per token
  double drift = kUnknown;                 // δ = |Θ − Θ_base| / (|Θ| + |Θ_base|)
  double seconds = kUnknown;
};

struct Cost {
  int64_t tokens_trained = 0;
  int64_t proxies = 0;
  int64_t items_scored = 0;
  std::vector<std::pair<std::string, double>>
      seconds;  // by stage, in order; accumulated over resumes
};

struct RunResult {
  std::string name;        // of the run
  std::string unfinished;  // what is still to come, in plain words; empty when the run is done

  std::vector<DatasetFacts> datasets;
  std::vector<DomainFacts> domains;
  std::vector<TaskFacts> tasks;
  std::vector<OverlapFacts> overlaps;
  std::vector<SharedFacts> shared;  // pairs with documents in common

  // The mixture found, and what is predicted of it (by task).
  std::vector<double> mixture;        // data shares p
  std::vector<double> merge_weights;  // α
  std::vector<Score> predicted;
  double target_tokens = kUnknown;  // budget of the real training, for mixture.csv

  Fidelity fidelity;
  OwnDataFacts own_data;
  GaugeFacts gauge;
  LengthFacts length;
  // `found` is handed over: what the search found, or a reference that was placed later and is
  // expected to be better (validate.refine). Then `searched` is what the search found, with what
  // `found` gains over it; else it has no name.
  MixtureFacts uniform, natural, found, searched;
  MixtureFacts flattened, current;       // current has no merge weights where none was named
  std::vector<MixtureFacts> references;  // all, in the order of training

  std::string objective;           // in words: "mean percentile rank over domains"
  std::string proxies = "merged";  // or "ensemble": what the search scored
  std::vector<SearchedProxy> search;
  std::vector<PredictorFit> predictors;
  std::vector<ShareTolerance> tolerance;  // by dataset
  std::vector<FrontMixture> front;        // from the worst to the best in the first domain
  SearchEnd search_end;

  std::vector<TrainedModel> models;
  Cost cost;
  std::vector<std::string> warnings;  // whole sentences

  uint64_t seed = 0;
  std::string device;       // in words: "cpu, 2 threads, float32"
  std::string command;      // that repeats the run
  std::string config_yaml;  // resolved
  std::vector<std::pair<std::string, std::string>> versions;
};

}  // namespace demix
