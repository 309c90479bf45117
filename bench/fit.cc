// Quality and speed of the predictors.
//
//     cmake --build --preset release --target bench_fit
//     build/release/bench_fit swarm TRAIN_MIXTURES TRAIN_SCORES TEST_MIXTURES TEST_SCORES
//         [--rows 128,512] [--subsets N]
//     build/release/bench_fit speed
//
// `swarm` learns from the first rows of the training runs, and from N-1 random choices of as many,
// and prints for every predictor, for their ensemble and for the winner of the tournament: mean
// Spearman correlation over the metrics on the test runs, mean R², and how many test scores the
// calibrated 90 % intervals hold. `speed` makes 500 proxies of 50 datasets and 9 metrics and prints
// the time to cross-validate and fit all predictors and to find the best mixture, then that of
// 200,000 predictions and of 2,000 with their errors. Processor time is of all threads.
#include "demix/search/fit.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/swarm_csv.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

double cpu_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
double wall_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Quality {
  double spearman = 0, r2 = 0, coverage90 = 0;
};

Quality quality_of(const Predictor& predictor,
                   const Points& mixtures,
                   std::span<const double> scores) {
  Quality quality;
  std::vector<double> means;
  double squares = 0;
  const auto forecasts = predictor.forecast(mixtures);
  const double n = static_cast<double>(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    means.push_back(forecasts[i].mean);
    const double error = std::abs(forecasts[i].mean - scores[i]);
    squares += error * error;
    quality.coverage90 += error <= kNinetyPercent * forecasts[i].deviation() ? 1 / n : 0;
  }
  const double deviation = standard_deviation(scores);
  quality.spearman = spearman(means, scores).value_or(0);
  quality.r2 = 1 - squares / ((n - 1) * deviation * deviation);
  return quality;
}

void judge(const Swarm& train, const Swarm& test, size_t rows, int subset) {
  std::vector<size_t> chosen(train.runs.size());
  std::iota(chosen.begin(), chosen.end(), size_t{0});
  if (subset > 0) {
    Rng rng(static_cast<uint64_t>(subset));
    rng.shuffle(std::span<size_t>(chosen));
  }
  chosen.resize(rows);
  Points mixtures(train.datasets.size());
  for (size_t i : chosen) mixtures.add(train.mixtures.row(i));

  auto names = competitor_names();
  const size_t metrics = train.metrics.size();
  std::vector<std::vector<Quality>> qualities(metrics, std::vector<Quality>(names.size() + 1));
  std::vector<std::string> winners(metrics);
  parallel_for(metrics, 0, [&](size_t m) {
    std::vector<double> scores;
    for (size_t i : chosen) scores.push_back(train.scores[m][i]);
    Rng rng(1);
    const auto folds = random_folds(rows, rng);
    const auto tournament = compete(names, {}, mixtures, scores, {}, folds);
    for (size_t k = 0; k < names.size(); ++k) {
      const auto fitted = fitted_competitor(tournament, k, {}, mixtures, scores, {});
      qualities[m][k] = quality_of(*fitted, test.mixtures, test.scores[m]);
    }
    qualities[m].back() = qualities[m][tournament.winner];
    winners[m] = names[tournament.winner];
  });
  names.push_back("auto");
  for (size_t k = 0; k < names.size(); ++k) {
    Quality mean;
    for (const auto& of_metric : qualities) {
      mean.spearman += of_metric[k].spearman / static_cast<double>(metrics);
      mean.r2 += of_metric[k].r2 / static_cast<double>(metrics);
      mean.coverage90 += of_metric[k].coverage90 / static_cast<double>(metrics);
    }
    fmt::print("{:>5} {:>6}  {:<17} {:>9.4f} {:>7.3f} {:>8.3f}\n",
               rows,
               subset,
               names[k],
               mean.spearman,
               mean.r2,
               mean.coverage90);
  }
  fmt::print("              used: {}\n", fmt::join(winners, ", "));
  std::fflush(stdout);
}

void swarm(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  std::vector<size_t> rows = {128, 512};
  int subsets = 1;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "--rows" && i + 1 < arguments.size()) {
      rows.clear();
      std::string text = arguments[++i] + ",";
      for (size_t comma; (comma = text.find(',')) != std::string::npos; text.erase(0, comma + 1)) {
        rows.push_back(std::stoul(text.substr(0, comma)));
      }
    } else if (arguments[i] == "--subsets" && i + 1 < arguments.size()) {
      subsets = std::stoi(arguments[++i]);
    } else {
      files.push_back(arguments[i]);
    }
  }
  if (files.size() != 4) throw Error("expected four files, found {}", files.size());
  const Swarm train = read_swarm(files[0], files[1]), test = read_swarm(files[2], files[3]);
  if (train.datasets != test.datasets || train.metrics != test.metrics)
    throw Error("training and test files have other columns");
  fmt::print("{:>5} {:>6}  {:<17} {:>9} {:>7} {:>8}\n",
             "rows",
             "subset",
             "predictor",
             "Spearman",
             "R2",
             "in 90 %");
  for (size_t count : rows) {
    if (count > train.runs.size()) throw Error("there are {} training runs", train.runs.size());
    for (int subset = 0; subset < (count == train.runs.size() ? 1 : subsets); ++subset)
      judge(train, test, count, subset);
  }
}

// Losses that fall with the own and related datasets, and noise of a twentieth of their spread.
Swarm made_up(size_t runs, size_t datasets, size_t metrics) {
  Rng rng(5);
  Swarm swarm;
  swarm.mixtures = Points(datasets);
  for (size_t j = 0; j < datasets; ++j) swarm.datasets.push_back(fmt::format("dataset_{}", j));
  for (size_t i = 0; i < runs; ++i) {
    swarm.runs.push_back(fmt::format("{}", i));
    swarm.mixtures.add(rng.dirichlet(std::vector<double>(datasets, 0.3)));
  }
  swarm.scores.resize(metrics);
  swarm.standard_errors.resize(metrics);
  for (size_t m = 0; m < metrics; ++m) {
    swarm.metrics.push_back(fmt::format("loss_{}", m));
    std::vector<double> help(datasets);
    for (double& h : help) h = std::exp(2 * rng.normal());
    for (size_t i = 0; i < runs; ++i) {
      double effective = 0.05;
      for (size_t j = 0; j < datasets; ++j) effective += help[j] * swarm.mixtures.row(i)[j];
      swarm.scores[m].push_back(2 + std::pow(effective, -0.3) + 0.01 * rng.normal());
    }
  }
  return swarm;
}

void speed() {
  const Swarm swarm = made_up(500, 50, 9);
  fmt::print("500 proxies, 50 datasets, 9 metrics, {} cores\n",
             std::thread::hardware_concurrency());
  for (const std::string& name : predictor_names()) {
    const double cpu = cpu_s(), wall = wall_s();
    Rng rng(1);
    const auto folds = random_folds(500, rng);
    parallel_for(swarm.metrics.size(), 0, [&](size_t m) {
      const auto tournament = compete({name}, {}, swarm.mixtures, swarm.scores[m], {}, folds);
      fitted_competitor(tournament, 0, {}, swarm.mixtures, swarm.scores[m], {});
    });
    fmt::print("{:<40} cpu {:>6.1f} s  wall {:>6.1f} s\n",
               name + ": 5 folds and all rows",
               cpu_s() - cpu,
               wall_s() - wall);
    std::fflush(stdout);
  }
  const double cpu = cpu_s(), wall = wall_s();
  const FitResult result = fit_swarm({}, swarm);
  fmt::print("{:<40} cpu {:>6.1f} s  wall {:>6.1f} s\n",
             "fit: all of them, and the best mixture",
             cpu_s() - cpu,
             wall_s() - wall);
  fmt::print("  used: {}; {} of {} climbs agreed\n",
             fmt::join(result.chosen, ", "),
             result.agreed,
             result.starts);

  Points candidates(50);
  Rng rng(2);
  for (int i = 0; i < 200000; ++i) candidates.add(rng.dirichlet(std::vector<double>(50, 0.3)));
  Points best(50);
  for (size_t i = 0; i < 2000; ++i) best.add(candidates.row(i));
  for (const std::string& name : predictor_names()) {
    const auto predictor = make_predictor(name);
    predictor->fit(swarm.mixtures, swarm.scores[0]);
    double from_cpu = cpu_s(), from_wall = wall_s();
    predictor->predict(candidates);
    fmt::print("{:<40} cpu {:>6.2f} s  wall {:>6.2f} s",
               name + ": 200,000 predictions",
               cpu_s() - from_cpu,
               wall_s() - from_wall);
    from_cpu = cpu_s();
    from_wall = wall_s();
    predictor->forecast(best);
    fmt::print(";  2,000 with errors cpu {:>5.2f} s  wall {:>5.2f} s\n",
               cpu_s() - from_cpu,
               wall_s() - from_wall);
  }
}

}  // namespace
}  // namespace demix

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (!arguments.empty() && arguments[0] == "swarm") {
      demix::swarm(arguments);
    } else if (!arguments.empty() && arguments[0] == "speed") {
      demix::speed();
    } else {
      throw demix::Error("usage: bench_fit swarm FILES… | bench_fit speed");
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_fit: {}\n", demix::error_chain(error));
    return 1;
  }
}
