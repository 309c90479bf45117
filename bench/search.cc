// Searches on simulated landscapes: how good is the mixture that they end with?
//
//     cmake --build --preset release --target bench_search
//     build/release/bench_search LANDSCAPE [--mixtures M.csv --scores S.csv] [--seeds 20]
//         [--noise 0.1] [--metrics N] [--proxies 24,45,100,224] [--predictor gaussian_process]
//         [--only NAME,…] [--keep FILE]
//
// LANDSCAPE is regmix_gp or regmix_lightgbm (the truth is that predictor fitted to all given runs,
// one domain for each metric), or smooth_7, smooth_15, smooth_50: four domains whose score falls
// with a power of what helps it, drawn for each seed. A proxy's score has noise of --noise standard
// deviations of the true scores of random mixtures. Regret: how much lower the true goal (mean over
// domains of the score in those deviations) of the found mixture lies than the best that many
// climbs of the truth find, in standard deviations of that goal over random mixtures. Every
// strategy gets the same landscapes and noise streams, so differences are paired by seed; 95 %
// intervals are by 2,000 bootstrap resamples of the seeds. With --keep every search that has ended
// is a line of FILE (landscape, noise, strategy, proxies, seed, regret) and is not made again.
#include "demix/search/search.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/swarm_csv.h"

namespace demix {
namespace {

struct Options {
  std::string landscape, mixtures, scores, predictor = "gaussian_process";
  int seeds = 20, threads = 0;
  double noise = 0.1;
  size_t metrics = 0;  // of the swarm, the first ones; 0: all
  std::vector<int> proxies = {24, 45, 100, 224};
  std::vector<std::string> only;
  std::string keep;
};

// The true scores by domain, higher is better, and their spread over random mixtures.
struct Landscape {
  std::vector<std::string> datasets;
  std::function<std::vector<std::vector<double>>(const Points&)> scores;
  SmoothFunction slope;  // of the goal, where there is one
  std::vector<double> centres, deviations;
  double best = 0, goal_deviation = 1;

  std::vector<double> goal(const Points& points) const {
    const auto all = scores(points);
    std::vector<double> values(points.rows());
    for (size_t d = 0; d < all.size(); ++d) {
      for (size_t i = 0; i < values.size(); ++i)
        values[i] += (all[d][i] - centres[d]) / deviations[d] / static_cast<double>(all.size());
    }
    return values;
  }

  FeasibleSet set() const {
    return FeasibleSet(Composition::anchored(datasets, datasets.front(), 0), {});
  }

  // Spreads, and the optimum by small moves from the best of many.
  void measure() {
    Rng rng(99);
    const size_t n = datasets.size();
    Points random(n);
    for (int i = 0; i < 4000; ++i)
      random.add(rng.dirichlet(std::vector<double>(n, i % 2 ? 1 : 0.3)));
    const auto all = scores(random);
    for (const auto& domain : all) {
      centres.push_back(mean(domain));
      deviations.push_back(standard_deviation(domain));
    }
    const auto values = goal(random);
    goal_deviation = standard_deviation(values);
    Points starts(n);
    for (size_t i : best_apart(random, values, 16, 0.05)) starts.add(random.row(i));
    const Goal whole{.values = [this](const Points& points) { return goal(points); },
                     .slope = slope,
                     .limits = {}};
    best = maximise(whole, set(), starts, 1).value;
  }

  double regret(const std::vector<double>& mixture) const {
    Points point(datasets.size());
    point.add(mixture);
    return (best - goal(point)[0]) / goal_deviation;
  }
};

// The predictor fitted to every metric of a swarm of losses.
Landscape from_swarm(const Options& options, const std::string& predictor) {
  Swarm swarm = read_swarm(options.mixtures, options.scores);
  if (options.metrics > 0) swarm.metrics.resize(std::min(options.metrics, swarm.metrics.size()));
  Landscape landscape{.datasets = swarm.datasets};
  auto fitted = std::make_shared<std::vector<std::unique_ptr<Predictor>>>(swarm.metrics.size());
  parallel_for(swarm.metrics.size(), options.threads, [&](size_t m) {
    PredictorConfig config;
    config.gaussian_process.threads = 1;
    (*fitted)[m] = make_predictor(predictor, config);
    (*fitted)[m]->fit(swarm.mixtures, swarm.scores[m]);
  });
  landscape.scores = [fitted](const Points& points) {
    std::vector<std::vector<double>> scores;
    for (const auto& one : *fitted) {
      scores.push_back(one->predict(points));
      for (double& score : scores.back()) score = -score;
    }
    return scores;
  };
  return landscape;
}

// Score of domain d: -(c + Σ_j h_dj p_j^0.7)^-0.3, with most of a domain's help in a few datasets.
Landscape smooth(size_t datasets, uint64_t seed) {
  constexpr size_t kDomains = 4;
  Rng rng = Rng(seed).stream("landscape");
  Landscape landscape;
  for (size_t j = 0; j < datasets; ++j) landscape.datasets.push_back(fmt::format("d{}", j));
  std::vector<std::vector<double>> help(kDomains);
  for (auto& domain : help) {
    for (size_t j = 0; j < datasets; ++j) domain.push_back(std::exp(1.5 * rng.normal()));
  }
  landscape.scores = [help](const Points& points) {
    std::vector<std::vector<double>> scores(help.size());
    for (size_t d = 0; d < help.size(); ++d) {
      for (size_t i = 0; i < points.rows(); ++i) {
        double effective = 0.1;
        for (size_t j = 0; j < help[d].size(); ++j)
          effective += help[d][j] * std::pow(points.row(i)[j], 0.7);
        scores[d].push_back(-std::pow(effective, -0.3));
      }
    }
    return scores;
  };
  return landscape;
}

// Central differences: the truth needs no speed.
void add_slope(Landscape& landscape) {
  const Landscape* truth = &landscape;
  landscape.slope = [truth](std::span<const double> p, std::span<double> gradient) {
    constexpr double kStep = 1e-6;
    Points points(p.size());
    std::vector<double> moved(p.begin(), p.end());
    points.add(moved);
    for (size_t j = 0; j < p.size(); ++j) {
      moved[j] = p[j] + kStep;
      points.add(moved);
      moved[j] = p[j];
    }
    const auto values = truth->goal(points);
    for (size_t j = 0; j < p.size(); ++j) gradient[j] = (values[j + 1] - values[0]) / kStep;
    return values[0];
  };
}

struct Strategy {
  std::string name;
  std::function<void(SearchConfig&, int proxies)> set;
};

// Halving rounds as the paper has them: of 224, 128 + 64 + 32.
void paper_rounds(SearchConfig& config, int proxies) {
  config.decide = "average";
  config.rounds = 3;
  config.proxies = std::max(1, (proxies * 4 + 6) / 7);
  config.later_proxies = 0;
  config.budget.proxies = proxies;
}

void adaptive_rounds(SearchConfig& config, int proxies) {
  config.scheme = "adaptive";
  config.decide = "optimum";
  config.proxies = proxies / 2;
  config.rounds = 7;
  config.later_proxies = std::max(1, (proxies - config.proxies + 5) / 6);
  config.budget.proxies = proxies;
}

std::vector<Strategy> strategies(const std::string& predictor) {
  return {
      {"paper: lightgbm, average",
       [](SearchConfig& config, int proxies) {
         paper_rounds(config, proxies);
         config.predictor = "lightgbm";
       }},
      {"paper, " + predictor + ", average",
       [=](SearchConfig& config, int proxies) {
         paper_rounds(config, proxies);
         config.predictor = predictor;
       }},
      {"paper, " + predictor + ", optimum",
       [=](SearchConfig& config, int proxies) {
         paper_rounds(config, proxies);
         config.predictor = predictor;
         config.decide = "optimum";
       }},
      {"paper, " + predictor + ", optimum - 1 sd",
       [=](SearchConfig& config, int proxies) {
         paper_rounds(config, proxies);
         config.predictor = predictor;
         config.decide = "optimum";
         config.caution = 1;
       }},
      {"adaptive, " + predictor + ", dirichlet",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
       }},
      {"adaptive, " + predictor + ", low discrepancy",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
         config.start = {"low_discrepancy", "dirichlet"};
       }},
      {"adaptive, " + predictor + ", with corners",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
         config.start = {"corners", "low_discrepancy", "dirichlet"};
       }},
      {"adaptive, " + predictor + ", upper bound",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
         config.acquisition.rule = "upper_confidence";
       }},
      {"adaptive, " + predictor + ", average",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
         config.decide = "average";
       }},
  };
}

// Searches that ended, by what they were; also on disk.
class Kept {
 public:
  explicit Kept(std::string file) : file_(std::move(file)) {
    std::ifstream lines(file_);
    std::string line;
    while (std::getline(lines, line)) {
      const size_t comma = line.rfind(';');
      if (comma != std::string::npos)
        regrets_[line.substr(0, comma)] = std::stod(line.substr(comma + 1));
    }
  }
  const double* find(const std::string& key) const {
    const auto found = regrets_.find(key);
    return found == regrets_.end() ? nullptr : &found->second;
  }
  void add(const std::string& key, double regret) {
    if (file_.empty()) return;
    const std::lock_guard lock(mutex_);
    std::ofstream(file_, std::ios::app) << key << fmt::format(";{:.17g}\n", regret);
  }

 private:
  std::string file_;
  std::map<std::string, double> regrets_;
  std::mutex mutex_;
};

std::vector<double> search_regrets(const Strategy& strategy,
                                   int proxies,
                                   const std::vector<Landscape>& landscapes,
                                   const Options& options,
                                   Kept& kept) {
  std::vector<double> regrets(static_cast<size_t>(options.seeds));
  parallel_for(regrets.size(), options.threads, [&](size_t seed) {
    const std::string key = fmt::format("{} of {};{:g};{};{};{}",
                                        options.landscape,
                                        landscapes[0].centres.size(),
                                        options.noise,
                                        strategy.name,
                                        proxies,
                                        seed + 1);
    if (const double* known = kept.find(key)) {
      regrets[seed] = *known;
      return;
    }
    const Landscape& truth = landscapes[landscapes.size() == 1 ? 0 : seed];
    SearchConfig config;
    config.candidates = 20000;  // of the paper's 200,000, for time
    config.propose_from = config.average_of = 128;
    config.front = 0;
    config.objective = "deviation";
    config.constraints.max_times_prior = 0;
    config.acquisition.candidates = 2000;
    config.predictors.gaussian_process.threads = 1;
    config.predictors.lightgbm.threads = 1;
    strategy.set(config, proxies);
    SearchProblem problem{
        .composition = Composition::anchored(truth.datasets, truth.datasets.front(), 0),
        .metrics = {},
        .prior = std::vector<double>(truth.datasets.size(), 1),
        .dataset_tokens = {},
        .target_tokens = 0,
        .seed = seed + 1};
    for (size_t d = 0; d < truth.deviations.size(); ++d)
      problem.metrics.push_back({fmt::format("m{}", d), fmt::format("m{}", d), true});
    Rng noise = Rng(seed + 1).stream("noise");
    const auto found = search_mixture(config, problem, [&](std::span<const Mixture> batch) {
      Points points(truth.datasets.size());
      for (const Mixture& mixture : batch) points.add(mixture.weights);
      const auto scores = truth.scores(points);
      std::vector<Measurements> measured(batch.size());
      for (size_t i = 0; i < batch.size(); ++i) {
        for (size_t d = 0; d < scores.size(); ++d) {
          const double error = options.noise * truth.deviations[d];
          measured[i][fmt::format("m{}", d)] = {scores[d][i] + error * noise.normal(), error};
        }
      }
      return measured;
    });
    regrets[seed] = truth.regret(found.merge_weights);
    kept.add(key, regrets[seed]);
  });
  return regrets;
}

struct Interval {
  double mean, low, high;
};

Interval bootstrap(const std::vector<double>& values) {
  Rng rng(7);
  std::vector<double> means;
  for (int b = 0; b < 2000; ++b) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[rng.below(values.size())];
    means.push_back(sum / static_cast<double>(values.size()));
  }
  std::sort(means.begin(), means.end());
  return {mean(values), means[50], means[1949]};
}

void run(const Options& options) {
  std::vector<Landscape> landscapes;
  if (options.landscape.starts_with("regmix_")) {
    const std::string kind = options.landscape.substr(7);
    landscapes.push_back(from_swarm(options, kind == "gp" ? "gaussian_process" : kind));
  } else if (options.landscape.starts_with("smooth_")) {
    const size_t datasets = std::stoul(options.landscape.substr(7));
    for (int seed = 1; seed <= options.seeds; ++seed)
      landscapes.push_back(smooth(datasets, static_cast<uint64_t>(seed)));
  } else {
    throw Error("there is no landscape '{}'", options.landscape);
  }
  for (Landscape& landscape : landscapes) add_slope(landscape);
  parallel_for(landscapes.size(), options.threads, [&](size_t i) { landscapes[i].measure(); });

  fmt::print("{}, noise {:g}, {} seeds: mean regret [95 %], and less that of the first at 224\n",
             options.landscape,
             options.noise,
             options.seeds);
  Kept kept(options.keep);
  std::vector<double> reference;
  const auto all = strategies(options.predictor);
  reference = search_regrets(all[0], 224, landscapes, options, kept);
  const auto print = [&](const std::string& name, int proxies, const std::vector<double>& regrets) {
    std::vector<double> differences;
    for (size_t i = 0; i < regrets.size(); ++i) differences.push_back(regrets[i] - reference[i]);
    const Interval own = bootstrap(regrets), less = bootstrap(differences);
    fmt::print("| {:<44} | {:>3} | {:.3f} [{:.3f}, {:.3f}] | {:+.3f} [{:+.3f}, {:+.3f}] |\n",
               name,
               proxies,
               own.mean,
               own.low,
               own.high,
               less.mean,
               less.low,
               less.high);
    std::fflush(stdout);
  };
  print(all[0].name, 224, reference);
  for (size_t k = 0; k < all.size(); ++k) {
    const bool wanted =
        options.only.empty() ||
        std::any_of(options.only.begin(), options.only.end(), [&](const std::string& part) {
          return all[k].name.find(part) != std::string::npos;
        });
    if (!wanted) continue;
    for (int proxies : options.proxies) {
      if (k == 0 && proxies == 224) continue;
      print(all[k].name, proxies, search_regrets(all[k], proxies, landscapes, options, kept));
    }
  }
}

std::vector<std::string> split(std::string text) {
  std::vector<std::string> parts;
  text += ",";
  for (size_t comma; (comma = text.find(',')) != std::string::npos; text.erase(0, comma + 1))
    parts.push_back(text.substr(0, comma));
  return parts;
}

Options read_options(const std::vector<std::string>& arguments) {
  if (arguments.empty()) throw Error("usage: bench_search LANDSCAPE [OPTIONS]");
  Options options{.landscape = arguments[0]};
  for (size_t i = 1; i + 1 < arguments.size(); i += 2) {
    const std::string &key = arguments[i], &value = arguments[i + 1];
    if (key == "--mixtures") {
      options.mixtures = value;
    } else if (key == "--scores") {
      options.scores = value;
    } else if (key == "--predictor") {
      options.predictor = value;
    } else if (key == "--seeds") {
      options.seeds = std::stoi(value);
    } else if (key == "--threads") {
      options.threads = std::stoi(value);
    } else if (key == "--metrics") {
      options.metrics = std::stoul(value);
    } else if (key == "--noise") {
      options.noise = std::stod(value);
    } else if (key == "--keep") {
      options.keep = value;
    } else if (key == "--only") {
      options.only = split(value);
    } else if (key == "--proxies") {
      options.proxies.clear();
      for (const std::string& part : split(value)) options.proxies.push_back(std::stoi(part));
    } else {
      throw Error("there is no option '{}'", key);
    }
  }
  return options;
}

}  // namespace
}  // namespace demix

int main(int argc, char** argv) {
  try {
    demix::run(demix::read_options({argv + 1, argv + argc}));
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_search: {}\n", demix::error_chain(error));
    return 1;
  }
}
