// Searches on simulated landscapes and on pools of measured runs: how good is what they end with?
//
//     cmake --build --preset release --target bench_search
//     build/release/bench_search LANDSCAPE [--mixtures M.csv,… --scores S.csv,…] [--seeds 20]
//         [--first_seed 1] [--noise 0.1] [--metrics N] [--proxies 24,45,100,224]
//         [--predictor gaussian_process] [--only NAME,…] [--try "NAME: {key: value, …}"] [--keep
//         FILE]
//
// LANDSCAPE is one of
//
//   smooth_7, smooth_15, smooth_50   four domains, drawn for each seed (landscape.h)
//   swarm_gp, swarm_lightgbm         that predictor fitted to all given runs, a domain per metric
//   pool                             the given runs themselves: nothing else can be measured
//
// A simulated proxy's score has noise of --noise standard deviations of the true scores of random
// mixtures; a pool's scores are as measured. Regret: how much lower the true goal (mean over
// domains of the score in those deviations) of the found mixture lies than the best that many
// climbs of the truth find, in standard deviations of that goal over random mixtures. Of a pool
// three regrets: of the run with the best prediction, against the best run; and of the proposed
// mixture where LightGBM, and a Gaussian process, fitted to all runs are the truth. Every strategy
// gets the same landscapes and noise streams, so differences are paired by seed; intervals are of
// 95 %. --only names strategies in full; --try is our search with the given settings (of
// demix/search/search.h) changed. With --keep every search that has ended is a line of FILE and is
// not made again.
#include "demix/search/search.h"

#include <cstdio>
#include <string>
#include <vector>

#include "bench/landscape.h"
#include "bench/paired.h"
#include "demix/core/config.h"
#include "demix/core/error.h"
#include "demix/core/parallel_for.h"

namespace demix {
namespace {

struct Options {
  std::string landscape, predictor = "gaussian_process", keep;
  std::string goal = "deviation";  // of the truth and, unless a --try says otherwise, of searches
  std::vector<std::string> mixtures, scores, only, tries;
  int seeds = 20, first_seed = 1, threads = 0;
  double noise = 0.1;
  size_t metrics = 0;  // of the swarm, the first ones; 0: all
  std::vector<int> proxies = {24, 45, 100, 224};
};

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

std::vector<Strategy> strategies(const Options& options) {
  const std::string& predictor = options.predictor;
  std::vector<Strategy> all = {
      {"paper lightgbm average",
       [](SearchConfig& config, int proxies) {
         paper_rounds(config, proxies);
         config.predictor = "lightgbm";
       }},
      {"paper " + predictor + " average",
       [=](SearchConfig& config, int proxies) {
         paper_rounds(config, proxies);
         config.predictor = predictor;
       }},
      {"paper " + predictor + " optimum",
       [=](SearchConfig& config, int proxies) {
         paper_rounds(config, proxies);
         config.predictor = predictor;
         config.decide = "optimum";
       }},
      {"paper " + predictor + " optimum-1sd",
       [=](SearchConfig& config, int proxies) {
         paper_rounds(config, proxies);
         config.predictor = predictor;
         config.decide = "optimum";
         config.caution = 1;
       }},
      {"adaptive " + predictor + " dirichlet",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
       }},
      {"adaptive " + predictor + " low discrepancy",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
         config.start = {"low_discrepancy", "dirichlet"};
       }},
      {"adaptive " + predictor + " with corners",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
         config.start = {"corners", "low_discrepancy", "dirichlet"};
       }},
      {"adaptive " + predictor + " upper bound",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
         config.acquisition.rule = "upper_confidence";
       }},
      {"adaptive " + predictor + " average",
       [=](SearchConfig& config, int proxies) {
         adaptive_rounds(config, proxies);
         config.predictor = predictor;
         config.decide = "average";
       }},
  };
  for (const std::string& text : options.tries) {
    const size_t colon = text.find(':');
    if (colon == std::string::npos) throw Error("--try: expected NAME: {{…}}, found {}", text);
    const std::string settings = text.substr(colon + 1);
    all.push_back({text.substr(0, colon), [=](SearchConfig& config, int proxies) {
                     paper_rounds(config, proxies);
                     config.predictor = predictor;
                     config.decide = "optimum";
                     read_config_into(ConfigNode::parse(settings, "--try"), config);
                   }});
  }
  return all;
}

SearchConfig settings(const Strategy& strategy, int proxies, const std::string& goal) {
  SearchConfig config;
  config.candidates = 20000;  // of the paper's 200,000, for time
  config.propose_from = config.average_of = 128;
  config.front = 0;
  config.objective = goal;
  config.constraints.max_times_prior = 0;
  config.acquisition.candidates = 2000;
  config.predictors.gaussian_process.threads = 1;
  config.predictors.lightgbm.threads = 1;
  strategy.set(config, proxies);
  return config;
}

// Measured runs, and surrogates of them.
struct Pool {
  Swarm swarm;
  std::vector<double> goal;  // of the runs, as Landscape::goal
  std::vector<Landscape> surrogates;

  explicit Pool(Swarm given, int threads) : swarm(std::move(given)) {
    goal.assign(swarm.runs.size(), 0);
    for (const auto& scores : swarm.scores) {
      for (size_t i = 0; i < goal.size(); ++i)
        goal[i] -= scores[i] / standard_deviation(scores) / static_cast<double>(scores.size());
    }
    for (const char* name : {"lightgbm", "gaussian_process"}) {
      surrogates.push_back(fitted_landscape(swarm, name, threads));
      surrogates.back().measure(swarm.mixtures);
    }
  }

  std::vector<double> regrets(const SearchConfig& config, uint64_t seed) const {
    SearchProblem problem = problem_on(swarm.datasets, swarm.metrics.size(), seed);
    std::map<std::vector<double>, size_t> place;
    for (size_t i = 0; i < swarm.mixtures.rows(); ++i) {
      const auto row = swarm.mixtures.row(i);
      problem.pool.emplace_back(row.begin(), row.end());
      place[problem.pool.back()] = i;
    }
    const auto found = search_mixture(config, problem, [&](std::span<const Mixture> batch) {
      std::vector<Measurements> measured(batch.size());
      for (size_t i = 0; i < batch.size(); ++i) {
        for (size_t d = 0; d < swarm.metrics.size(); ++d)
          measured[i][problem.metrics[d].name] = {-swarm.scores[d][place.at(batch[i].weights)], 0};
      }
      return measured;
    });
    const double best = *std::max_element(goal.begin(), goal.end());
    std::vector<double> result = {(best - goal[place.at(problem.pool[*found.best_of_pool])]) /
                                  standard_deviation(goal)};
    for (const Landscape& surrogate : surrogates)
      result.push_back(surrogate.regret(found.merge_weights));
    return result;
  }
};

// By seed, then by kind of regret.
using Regrets = std::function<std::vector<double>(const SearchConfig&, size_t seed)>;

std::vector<std::vector<double>> search_regrets(const Strategy& strategy,
                                                int proxies,
                                                const std::string& landscape,
                                                const Regrets& regrets,
                                                const Options& options,
                                                Kept& kept) {
  std::vector<std::vector<double>> all(static_cast<size_t>(options.seeds));
  parallel_for(all.size(), options.threads, [&](size_t i) {
    const size_t seed = i + static_cast<size_t>(options.first_seed);
    const std::string key =
        fmt::format("{};{:g};{};{};{}", landscape, options.noise, strategy.name, proxies, seed);
    if (const auto* known = kept.find(key)) {
      all[i] = *known;
      return;
    }
    all[i] = regrets(settings(strategy, proxies, options.goal), seed);
    kept.add(key, all[i]);
  });
  return all;
}

Swarm all_runs(const Options& options) {
  if (options.mixtures.empty() || options.mixtures.size() != options.scores.size())
    throw Error("{}: expected as many --mixtures as --scores", options.landscape);
  Swarm all;
  for (size_t k = 0; k < options.mixtures.size(); ++k) {
    Swarm swarm = read_swarm(options.mixtures[k], options.scores[k]);
    if (k == 0) {
      all = std::move(swarm);
      continue;
    }
    if (swarm.datasets != all.datasets || swarm.metrics != all.metrics)
      throw Error("{}: other columns than {}", options.mixtures[k], options.mixtures[0]);
    for (size_t i = 0; i < swarm.runs.size(); ++i) {
      all.runs.push_back(swarm.runs[i]);
      all.mixtures.add(swarm.mixtures.row(i));
      for (size_t m = 0; m < all.scores.size(); ++m) all.scores[m].push_back(swarm.scores[m][i]);
    }
  }
  if (options.metrics > 0) {
    all.metrics.resize(std::min(options.metrics, all.metrics.size()));
    all.scores.resize(all.metrics.size());
  }
  return all;
}

void print_row(const std::string& name,
               int proxies,
               const std::vector<std::vector<double>>& regrets,
               const std::vector<std::vector<double>>& reference) {
  std::string line = fmt::format("| {} | {} |", name, proxies);
  for (size_t kind = 0; kind < regrets[0].size(); ++kind) {
    std::vector<double> ours, theirs;
    for (size_t i = 0; i < regrets.size(); ++i) {
      ours.push_back(regrets[i][kind]);
      theirs.push_back(reference[i][kind]);
    }
    const MeanInterval own = bootstrap(ours), less = paired(ours, theirs);
    line += fmt::format(" {:.3f} [{:.3f}, {:.3f}] | {:+.3f} [{:+.3f}, {:+.3f}] |",
                        own.mean,
                        own.low,
                        own.high,
                        less.mean,
                        less.low,
                        less.high);
  }
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void run(const Options& options) {
  std::vector<Landscape> landscapes;
  std::unique_ptr<Pool> pool;
  if (options.landscape == "pool") {
    pool = std::make_unique<Pool>(all_runs(options), options.threads);
  } else if (options.landscape.starts_with("swarm_")) {
    const std::string kind = options.landscape.substr(6);
    landscapes.push_back(fitted_landscape(
        all_runs(options), kind == "gp" ? "gaussian_process" : kind, options.threads));
  } else if (options.landscape.starts_with("smooth_")) {
    const size_t datasets = std::stoul(options.landscape.substr(7));
    for (int i = 0; i < options.seeds; ++i)
      landscapes.push_back(
          smooth_landscape(datasets, static_cast<uint64_t>(options.first_seed + i)));
  } else {
    throw Error("there is no landscape '{}'", options.landscape);
  }
  parallel_for(landscapes.size(), options.threads, [&](size_t i) {
    landscapes[i].by_rank = options.goal == "rank";
    landscapes[i].measure(random_mixtures(landscapes[i].datasets.size()));
  });
  const Regrets regrets = [&](const SearchConfig& config, size_t seed) -> std::vector<double> {
    if (pool) return pool->regrets(config, seed);
    const size_t place = seed - static_cast<size_t>(options.first_seed);
    const Landscape& truth = landscapes[landscapes.size() == 1 ? 0 : place];
    return {truth.regret(search_landscape(truth, config, seed, options.noise).merge_weights)};
  };
  const size_t domains = pool ? pool->swarm.metrics.size() : landscapes[0].centres.size();
  const std::string name = fmt::format(
      "{} of {}{}", options.landscape, domains, options.goal == "rank" ? " by rank" : "");

  fmt::print("{}, noise {:g}, {} seeds: mean regret [95 %], and less that of the first at 224{}\n",
             name,
             options.noise,
             options.seeds,
             pool ? "; of the chosen run, by LightGBM, by Gaussian process" : "");
  Kept kept(options.keep);
  const auto all = strategies(options);
  const auto reference = search_regrets(all[0], 224, name, regrets, options, kept);
  print_row(all[0].name, 224, reference, reference);
  for (size_t k = 0; k < all.size(); ++k) {
    const bool wanted =
        k + options.tries.size() >= all.size() ||
        (options.only.empty() ? options.tries.empty()
                              : std::find(options.only.begin(), options.only.end(), all[k].name) !=
                                    options.only.end());
    if (!wanted) continue;
    for (int proxies : options.proxies) {
      if (k == 0 && proxies == 224) continue;
      print_row(all[k].name,
                proxies,
                search_regrets(all[k], proxies, name, regrets, options, kept),
                reference);
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
      options.mixtures = split(value);
    } else if (key == "--scores") {
      options.scores = split(value);
    } else if (key == "--predictor") {
      options.predictor = value;
    } else if (key == "--seeds") {
      options.seeds = std::stoi(value);
    } else if (key == "--first_seed") {
      options.first_seed = std::stoi(value);
    } else if (key == "--threads") {
      options.threads = std::stoi(value);
    } else if (key == "--metrics") {
      options.metrics = std::stoul(value);
    } else if (key == "--goal") {
      if (value != "deviation" && value != "rank")
        throw Error("--goal is '{}', expected deviation or rank", value);
      options.goal = value;
    } else if (key == "--noise") {
      options.noise = std::stod(value);
    } else if (key == "--keep") {
      options.keep = value;
    } else if (key == "--try") {
      options.tries.push_back(value);
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
