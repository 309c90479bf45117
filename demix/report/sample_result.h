// A made-up but plausible run for tests of the report: seven datasets, three domains, nine tasks
// and three held-out sets, 28 proxies in three rounds, 16 references.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/rng.h"
#include "demix/report/result.h"

namespace demix {

struct SampleShape {
  int datasets = 7, domains = 3, references = 16;
  std::vector<int> rounds = {16, 8, 4};
};

// Domain scores that a mixture "really" gives: diminishing returns in useful data, a little harm
// from poor data.
inline double sample_truth(const std::vector<double>& p, size_t domain, size_t domains) {
  double useful = 0, poor = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    if (i % domains == domain) (i < domains ? useful : poor) += p[i];
    if (i % domains != domain && i < domains) useful += 0.12 * p[i];
  }
  return -1.62 + 0.1 * static_cast<double>(domain) + 0.30 * std::sqrt(useful) +
         0.12 * std::sqrt(poor + 0.01) - 0.05 * poor;
}

inline RunResult sample_result(const SampleShape& shape = {}) {
  RunResult r;
  const Rng root(42);
  const size_t K = shape.datasets, D = shape.domains;
  r.name = "demo";

  constexpr const char* kDomains[] = {"general", "math", "code"};
  for (size_t d = 0; d < D; ++d) {
    r.domains.push_back({.name = d < 3 ? kDomains[d] : "domain_" + std::to_string(d),
                         .unit = "negative bits per byte"});
  }
  constexpr const char* kDatasets[] = {"prose_reference",
                                       "math_textbook",
                                       "code_python",
                                       "prose_ocr_noise",
                                       "math_synthetic",
                                       "code_minified",
                                       "multilingual"};
  constexpr double kMillions[] = {6.4, 1.9, 4.8, 3.3, 5.2, 4.1, 2.7};
  for (size_t i = 0; i < K; ++i) {
    const auto train =
        static_cast<int64_t>(1e6 * kMillions[i % 7] * (1 + static_cast<double>(i / 7)));
    const std::string name = i < 7 ? kDatasets[i] : "dataset_" + std::to_string(i);
    r.datasets.push_back({.name = name,
                          .domain = r.domains[i % D].name,
                          .path = "runs/demo/shards/" + name,
                          .documents = train / 410,
                          .duplicates_removed = train / 9000 * static_cast<int64_t>(i % 4),
                          .train_tokens = train,
                          .heldout_tokens = train / 50,
                          .available_tokens = train,
                          .bytes = train * 41 / 10});
  }
  struct NamedTask {
    const char* name;
    size_t domain;
    const char* metric;
    double chance, typical;
    int items;
  };
  constexpr NamedTask kTasks[] = {{"arc_easy", 0, "choice_prob", 0.25, 0.312, 570},
                                  {"hellaswag", 0, "choice_prob", 0.25, 0.268, 400},
                                  {"piqa", 0, "choice_prob", 0.5, 0.541, 400},
                                  {"social_iqa", 0, "choice_prob", 0.3333, 0.351, 400},
                                  {"winogrande", 0, "choice_prob", 0.5, 0.503, 400},
                                  {"gsm8k", 1, "bpb", kUnknown, 1.482, 400},
                                  {"minerva_math", 1, "bpb", kUnknown, 1.713, 300},
                                  {"humaneval", 2, "bpb", kUnknown, 1.344, 164},
                                  {"mbpp", 2, "bpb", kUnknown, 1.502, 257}};
  std::vector<double> typical;
  for (const NamedTask& t : kTasks) {
    r.tasks.push_back({.name = t.name,
                       .domain = r.domains[t.domain % D].name,
                       .metric = t.metric,
                       .higher_is_better = t.metric != std::string("bpb"),
                       .chance = t.chance,
                       .items = t.items});
    typical.push_back(t.typical);
  }
  for (size_t i = 0; i < std::min<size_t>(K, 3); ++i) {
    r.tasks.push_back({.name = "heldout:" + r.datasets[i].name,
                       .domain = r.domains[i % D].name,
                       .metric = "bpb",
                       .higher_is_better = false,
                       .items = 250});
    typical.push_back(1.9);
  }

  const auto scores = [&](const std::vector<double>& p, double scale, double noise, Rng rng) {
    ModelScores s;
    for (size_t d = 0; d < D; ++d) {
      const double mean = sample_truth(p, d, D);
      s.domains.push_back({mean * scale + noise * rng.normal(), 0.006});
    }
    for (size_t t = 0; t < r.tasks.size(); ++t) {
      size_t d = 0;
      while (r.domains[d].name != r.tasks[t].domain) ++d;
      const double gain = sample_truth(p, d, D) + 1.45 - 0.1 * static_cast<double>(d);
      const bool choice = r.tasks[t].higher_is_better;
      const double error = choice ? 0.24 / std::sqrt(static_cast<double>(r.tasks[t].items)) : 0.011;
      const double effect = choice ? 0.3 * (typical[t] - r.tasks[t].chance) / 0.05 * gain : -gain;
      const double lag = scale > 1 ? (choice ? -0.012 : 0.07) : 0;
      s.tasks.push_back({typical[t] + effect + lag + 0.6 * error * rng.normal(), error});
    }
    return s;
  };
  // Composition: half of every component's data is the first dataset.
  const auto shares_of = [&](const std::vector<double>& alpha) {
    std::vector<double> p(K);
    for (size_t i = 0; i < K; ++i) p[i] = 0.5 * alpha[i];
    p[0] += 0.5;
    return p;
  };
  const auto mixture_facts = [&](std::string name, std::vector<double> alpha, int64_t stream) {
    MixtureFacts m{.name = std::move(name), .merge_weights = alpha};
    m.mixture = shares_of(alpha);
    m.proxy = scores(m.mixture, 1.045, 0.006, root.stream("proxy", stream));
    m.trained = scores(m.mixture, 1, 0.004, root.stream("trained", stream));
    Rng rng = root.stream("free", stream);
    for (size_t d = 0; d < D; ++d) {
      m.interpolation.push_back(
          {sample_truth(m.mixture, d, D) * 1.02 + 0.004 * rng.normal(), 0.006});
      double own = 0;
      for (size_t i = d; i < K; i += D) own += m.mixture[i];
      m.own_share.push_back({own, kUnknown});
    }
    return m;
  };

  std::vector<double> natural(K);
  double all_tokens = 0;
  for (size_t i = 0; i < K; ++i) all_tokens += static_cast<double>(r.datasets[i].train_tokens);
  for (size_t i = 0; i < K; ++i)
    natural[i] = static_cast<double>(r.datasets[i].train_tokens) / all_tokens;
  std::vector<double> found = root.stream("found").dirichlet(std::vector<double>(K, 0.7));
  std::sort(found.rbegin(), found.rend());
  if (K > 3) std::swap(found[2], found[3]);
  if (K >= 7) found = {0.168, 0.342, 0.291, 0.0, 0.137, 0.002, 0.06};
  found.resize(K);

  r.uniform = mixture_facts("uniform", std::vector<double>(K, 1.0 / static_cast<double>(K)), 1);
  r.natural = mixture_facts("natural", natural, 2);
  r.natural.note =
      "Token counts, projected onto what the components can express: 12.4 % of the data differs.";
  r.found = mixture_facts("found", found, 3);
  for (MixtureFacts* other : {&r.natural, &r.uniform}) {
    for (size_t d = 0; d < D; ++d) {
      other->found_gain.domains.push_back(
          {r.found.trained.domains[d].value - other->trained.domains[d].value, 0.004});
    }
    for (size_t t = 0; t < r.tasks.size(); ++t) {
      other->found_gain.tasks.push_back(
          {r.found.trained.tasks[t].value - other->trained.tasks[t].value, 0.008});
    }
  }
  std::vector<double> flattened(K);
  for (size_t k = 0; k < K; ++k) flattened[k] = std::sqrt(natural[k]);
  const double flattened_sum = std::accumulate(flattened.begin(), flattened.end(), 0.0);
  for (double& share : flattened) share /= flattened_sum;
  r.flattened = mixture_facts("flattened", flattened, 4);
  for (MixtureFacts* facts : {&r.uniform, &r.natural, &r.flattened, &r.found}) {
    facts->predicted =
        scores(facts->mixture,
               1.05,
               0.01,
               root.stream("predicted", static_cast<int64_t>(1e6 * facts->mixture[0])));
    facts->measured = facts->proxy;
    if (facts == &r.found) continue;
    for (size_t d = 0; d < D; ++d) {
      facts->found_gain_proxy.domains.push_back(
          {r.found.proxy.domains[d].value - facts->proxy.domains[d].value, 0.005});
    }
  }
  for (size_t k = 0; k < K; ++k) {
    r.tolerance.push_back(
        {std::max(0.0, r.found.mixture[k] - 0.04), r.found.mixture[k] + 0.06, k == 3, false});
  }
  for (int i = 0; i < 4; ++i) {
    const MixtureFacts point = mixture_facts(
        "front", root.stream("front", i).dirichlet(std::vector<double>(K, 0.6)), 500 + i);
    r.front.push_back({point.mixture, point.merge_weights, point.proxy.domains});
  }
  r.search_end = {"the optimum of the predictors: 24 of 24 climbs ended equally high",
                  "all rounds are done",
                  0.031,
                  0.012,
                  0.8};
  r.mixture = r.found.mixture;
  r.merge_weights = r.found.merge_weights;
  r.predicted = r.found.proxy.tasks;
  r.target_tokens = 100e6;

  if (shape.references > 0) {
    r.references = {r.uniform, r.natural, r.found};
    for (int i = 3; i < shape.references; ++i) {
      const auto alpha = root.stream("reference", i).dirichlet(std::vector<double>(K, 0.6));
      r.references.push_back(mixture_facts("reference_" + std::to_string(i), alpha, 10 + i));
    }
    MixtureFacts unprojected = r.natural;
    unprojected.name = "natural_unprojected";
    unprojected.mixture = natural;
    unprojected.merge_weights.clear();
    unprojected.proxy = {};
    unprojected.interpolation.clear();
    unprojected.in_correlations = false;
    r.references.push_back(unprojected);
    const auto agreement = [](double rho, double regret) {
      return Agreement{.spearman = {rho,
                                    rho - 0.55 * (1.02 - rho) - 0.06,
                                    std::min(1.0, rho + 0.3 * (1.02 - rho))},
                       .spearman_top25 = {rho - 0.4, -0.3, 0.95},
                       .pearson = {rho + 0.01, rho - 0.12, std::min(1.0, rho + 0.05)},
                       .regret = {regret, 0.0, regret + 0.7}};
    };
    r.fidelity.references = shape.references;
    r.fidelity.proxy.macro = agreement(0.86, 0.21);
    r.gauge = {0.88, "Merged proxies rank mixtures as the components' own scores do.", {}};
    r.gauge.domains.assign(D, 0.88);
    r.fidelity.interpolation.macro = agreement(0.90, 0.08);
    r.fidelity.own_share.macro = agreement(0.72, 0.64);
    r.fidelity.over_interpolation = {{-0.04, -0.12, 0.05}, {0.13, -0.2, 0.5}};
    r.fidelity.over_own_share = {{0.14, 0.02, 0.3}, {-0.43, -0.9, 0.1}};
    for (size_t d = 0; d < D; ++d) {
      const double shift = 0.05 * (static_cast<double>(d) - 1);
      r.fidelity.proxy.domains.push_back(agreement(0.86 + shift, 0.2));
      r.fidelity.interpolation.domains.push_back(agreement(0.90 + shift, 0.1));
      r.fidelity.own_share.domains.push_back(agreement(0.72 - 0.5 * (d == 0) + shift, 0.6));
    }
  }

  for (size_t k = 0; k < K; ++k) {
    r.own_data.components.push_back({"best", r.datasets[k].name});
    r.own_data.base.push_back(3.5);
    r.own_data.bits.emplace_back();
    for (size_t d = 0; d < K; ++d) r.own_data.bits[k].push_back(k == d ? 2.75 : 3.25);
  }

  r.objective = "mean percentile rank over domains";
  double best = 0;
  int64_t stream = 1000;
  for (size_t round = 0; round < shape.rounds.size(); ++round) {
    for (int i = 0; i < shape.rounds[round]; ++i, ++stream) {
      auto alpha = root.stream("search", stream).dirichlet(std::vector<double>(K, 0.8));
      const double pull = 0.4 * static_cast<double>(round);
      for (size_t k = 0; k < K; ++k) alpha[k] = (1 - pull) * alpha[k] + pull * found[k];
      SearchedProxy p{.round = static_cast<int64_t>(round), .merge_weights = alpha};
      p.mixture = shares_of(alpha);
      p.domains = scores(p.mixture, 1.045, 0.004, root.stream("searched", stream)).domains;
      double mean = 0;
      for (size_t d = 0; d < D; ++d) mean += sample_truth(p.mixture, d, D) / static_cast<double>(D);
      Rng rng = root.stream("objective", stream);
      p.objective = std::clamp(0.55 + 9 * (mean + 1.33) + 0.05 * rng.normal(), 0.02, 0.99);
      if (round > 0)
        p.predicted_objective = std::clamp(p.objective + 0.06 * rng.normal() + 0.03, 0.0, 1.0);
      best = std::max(best, p.objective);
      r.search.push_back(p);
    }
  }
  for (const char* metric : {"general", "math", "code"}) {
    r.predictors.push_back({"lightgbm", metric, 0.71, 0.021, 0.88, false});
    r.predictors.push_back({"ridge", metric, 0.83, 0.014, 0.91, true});
  }

  const auto model = [&](std::string name, std::string kind, double tokens, std::vector<double> p) {
    TrainedModel m{.name = std::move(name), .kind = std::move(kind)};
    m.tokens = static_cast<int64_t>(tokens);
    m.asked_shares = p;
    Rng rng = root.stream(m.name);
    for (size_t i = 0; i < K; ++i) {
      const double consumed = tokens * p[i] * (1 + 0.01 * rng.normal());
      m.tokens_by_dataset.push_back(static_cast<int64_t>(consumed));
      m.epochs_by_dataset.push_back(consumed / static_cast<double>(r.datasets[i].train_tokens));
    }
    m.final_loss = 3.4 + 0.2 * rng.normal();
    m.drift = m.kind == "base" ? kUnknown : 0.08 + 0.02 * std::abs(rng.normal());
    m.seconds = tokens / 52000;
    return m;
  };
  std::vector<double> only_first(K, 0.0);
  only_first[0] = 1;
  r.models.push_back(model("base", "base", 2.5e6, only_first));
  for (size_t k = 0; k < K; ++k) {
    std::vector<double> alpha(K, 0.0);
    alpha[k] = 1;
    r.models.push_back(model(r.datasets[k].name, "component", 1.0e6, shares_of(alpha)));
  }
  for (const MixtureFacts& m : r.references) {
    r.models.push_back(model(m.name, "reference", 1.0e6, m.mixture));
  }
  r.models[1].trained_by = "runs/last_month";
  for (const TrainedModel& m : r.models)
    if (m.trained_by.empty()) r.cost.tokens_trained += m.tokens;
  r.cost.proxies = static_cast<int64_t>(r.search.size() + r.references.size());
  r.cost.items_scored = 187420;
  r.cost.seconds = {
      {"download", 74}, {"corpus", 31}, {"train", 212}, {"search", 148}, {"validate", 356}};
  r.warnings = {
      "Dataset math_textbook is seen 3.2 times at the target budget of 100M tokens; beyond 4 "
      "epochs repeated text is worth clearly less than new text.",
      "The score of winogrande is at chance for every model: it adds noise to the domain general."};
  r.seed = 42;
  r.device = "cpu, 2 threads, bfloat16";
  r.command = "demix run recipes/demo.yaml --out runs/demo";
  r.config_yaml =
      "seed: 42\nmodel:\n  family: llama\n  width: 192\n  layers: 6\nsearch:\n  rounds: [16, 8, "
      "4]\n"
      "  objective: mean_percentile_rank\nreferences: 16\nanchor_share: 0.5\n";
  r.versions = {{"demix", "0.1.0"},
                {"torch", "2.13.0+cpu"},
                {"lightgbm", "4.7.0"},
                {"compiler", "gcc 12.2.0"}};
  return r;
}

}  // namespace demix
