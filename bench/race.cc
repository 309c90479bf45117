// What do fewer items per proxy cost a search, and what do races save?
//
//     cmake --build --preset release --target bench_race
//     build/release/bench_race TABLE.items.jsonl|accuracies_7|accuracies_15 [--seeds 20] [--budget
//     28] [--items 1000] [--only ROWS_WITH_THIS_TEXT]
//
// TABLE is of bench_proxies: what each item of each metric adds for many real proxies. Goal of a
// proxy: mean over domains of the standardised domain score on all items; regret: how far the
// chosen proxy's goal lies below the best, in deviations of the goal over all proxies. Each seed
// draws the proxies and the items. accuracies_N: answers of made-up proxies of N datasets, right or
// wrong, to --items items for each of four domains (simulated_accuracies below), other proxies,
// items and landscapes for each seed; the goal is what infinitely many items would give. Four
// questions:
//
// 1. Choosing the best of all proxies by their scores on a share of the items: at random, or those
//    with the most signal over noise across 8 proxies that stand for components.
// 2. The same by successive halving: all proxies on an eighth of the items, the better half on
//    twice as many, and so on; always the same items for all.
// 3. A predictor (Gaussian process per domain) learns from as many proxies as --budget proxies with
//    all items cost, each on a share of the items; chosen is the best prediction of all proxies.
// 4. The same, but a quarter of the budget is kept for the rest of the items of those predicted
//    best, from which the predictor learns again, by how sure each score is.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "bench/landscape.h"
#include "bench/paired.h"
#include "demix/core/error.h"
#include "demix/core/json.h"
#include "demix/core/parallel_for.h"
#include "demix/search/predictor.h"

namespace demix {
namespace {

struct MetricItems {
  std::string domain;
  double sign;
  std::vector<double> y;               // by item, the same for all proxies
  std::vector<std::vector<double>> x;  // by proxy, then item
};

struct Table {
  Points mixtures{1};
  std::vector<MetricItems> metrics;
  std::vector<std::string> domains;
  size_t proxies() const { return mixtures.rows(); }
};

// Items of each metric, in the order in which they are used.
using Order = std::vector<std::vector<size_t>>;

Table read_table(const std::string& file) {
  std::ifstream in(file);
  Table table;
  std::set<std::string> domains;
  for (std::string text; std::getline(in, text);) {
    const Json line = Json::parse(text);
    const auto weights = line.at("weights").get<std::vector<double>>();
    if (table.metrics.empty()) {
      table.mixtures = Points(weights.size());
      for (const Json& metric : line.at("metrics")) {
        table.metrics.push_back({metric.at("domain"),
                                 metric.at("higher_is_better").get<bool>() ? 1.0 : -1.0,
                                 metric.at("terms").at("y"),
                                 {}});
        domains.insert(table.metrics.back().domain);
      }
    }
    table.mixtures.add(weights);
    for (size_t m = 0; m < table.metrics.size(); ++m)
      table.metrics[m].x.push_back(line.at("metrics")[m].at("terms").at("x"));
  }
  if (table.metrics.empty()) throw Error("{}: cannot be read, or is empty", file);
  table.domains.assign(domains.begin(), domains.end());
  return table;
}

double score(const MetricItems& metric,
             size_t proxy,
             const std::vector<size_t>& items,
             double share) {
  const auto count = std::max<size_t>(
      1, static_cast<size_t>(std::lround(share * static_cast<double>(items.size()))));
  double x = 0, y = 0;
  for (size_t k = 0; k < count; ++k) {
    x += metric.x[proxy][items[k]];
    y += metric.y.empty() ? 1 : metric.y[items[k]];
  }
  return metric.sign * x / y;
}

// By domain, then proxy.
std::vector<std::vector<double>> domain_scores(const Table& table,
                                               const Order& order,
                                               double share) {
  std::vector<std::vector<double>> scores(table.domains.size(),
                                          std::vector<double>(table.proxies()));
  for (size_t d = 0; d < table.domains.size(); ++d) {
    double count = 0;
    for (const MetricItems& metric : table.metrics) count += metric.domain == table.domains[d];
    for (size_t m = 0; m < table.metrics.size(); ++m) {
      if (table.metrics[m].domain != table.domains[d]) continue;
      for (size_t i = 0; i < table.proxies(); ++i)
        scores[d][i] += score(table.metrics[m], i, order[m], share) / count;
    }
  }
  return scores;
}

std::vector<double> standardised_mean(const std::vector<std::vector<double>>& domains) {
  std::vector<double> goal(domains[0].size());
  for (const auto& scores : domains) {
    const double centre = mean(scores), spread = standard_deviation(scores);
    for (size_t i = 0; i < goal.size(); ++i)
      goal[i] += (scores[i] - centre) / spread / static_cast<double>(domains.size());
  }
  return goal;
}

Order at_random(const Table& table, Rng& rng) {
  Order order;
  for (const MetricItems& metric : table.metrics) {
    order.emplace_back(metric.x[0].size());
    std::iota(order.back().begin(), order.back().end(), size_t{0});
    rng.shuffle(std::span<size_t>(order.back()));
  }
  return order;
}

// First the items whose terms follow the whole score best, over what they do besides, across the
// proxies `known`.
Order by_information(const Table& table, const std::vector<size_t>& known) {
  Order order;
  for (const MetricItems& metric : table.metrics) {
    const size_t items = metric.x[0].size();
    std::vector<size_t> all(items);
    std::iota(all.begin(), all.end(), size_t{0});
    std::vector<double> whole;
    for (size_t p : known) whole.push_back(score(metric, p, all, 1) * metric.sign);
    const double whole_mean = mean(whole);
    std::vector<double> information(items);
    for (size_t i = 0; i < items; ++i) {
      double own = 0, product = 0, square = 0, total = 0;
      for (size_t p : known) own += metric.x[p][i] / static_cast<double>(known.size());
      for (size_t k = 0; k < known.size(); ++k) {
        const double a = metric.x[known[k]][i] - own, b = whole[k] - whole_mean;
        product += a * b;
        square += b * b;
        total += a * a;
      }
      const double slope = square > 0 ? product / square : 0;
      const double rest = std::max(total - slope * product, 1e-12 * (1 + total));
      information[i] = slope * std::sqrt(square / rest);
    }
    std::stable_sort(all.begin(), all.end(), [&](size_t a, size_t b) {
      return information[a] > information[b];
    });
    order.push_back(std::move(all));
  }
  return order;
}

double regret_of(const std::vector<double>& goal, size_t chosen) {
  return (*std::max_element(goal.begin(), goal.end()) - goal[chosen]) / standard_deviation(goal);
}

size_t best_of(const std::vector<double>& values, const std::vector<size_t>& among) {
  return *std::max_element(
      among.begin(), among.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
}

// Proxies with the answers to all items, and the truth.
struct World {
  Table table;
  std::vector<double> goal;  // by proxy

  std::vector<size_t> shuffled(Rng& rng) const {
    std::vector<size_t> all(table.proxies());
    std::iota(all.begin(), all.end(), size_t{0});
    rng.shuffle(std::span<size_t>(all));
    return all;
  }

  // At random, or by what the first eight of `proxies` answer.
  Order items_in_order(const std::vector<size_t>& proxies, bool informed, Rng& rng) const {
    return informed ? by_information(table, {proxies.begin(), proxies.begin() + 8})
                    : at_random(table, rng);
  }

  double best_of_all(double share, bool informed, Rng& rng) const {
    const auto proxies = shuffled(rng);
    const Order order = items_in_order(proxies, informed, rng);
    return regret_of(goal, best_of(standardised_mean(domain_scores(table, order, share)), proxies));
  }

  double halved(Rng& rng) const {
    const Order order = at_random(table, rng);
    auto alive = shuffled(rng);
    for (double share = 0.125; share <= 1; share *= 2) {
      const auto values = standardised_mean(domain_scores(table, order, share));
      std::stable_sort(
          alive.begin(), alive.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
      if (share < 1) alive.resize((alive.size() + 1) / 2);
    }
    return regret_of(goal, alive[0]);
  }

  // Learns from `rows` proxies on a share of the items and, where some are to be finished, again
  // with the rest of the items of those predicted best. Any proxy may be chosen, measured or not:
  // what is chosen is a mixture.
  double learned(size_t rows, double share, bool informed, size_t finished, Rng& rng) const {
    auto order = shuffled(rng);
    const Order items = items_in_order(order, informed, rng);
    const auto coarse = domain_scores(table, items, share), fine = domain_scores(table, items, 1);
    std::vector<size_t> learned_from(order.begin(),
                                     order.begin() + static_cast<std::ptrdiff_t>(rows));
    std::vector<bool> whole(table.proxies());
    const auto predict = [&] {
      Points seen(table.mixtures.columns());
      for (size_t i : learned_from) seen.add(table.mixtures.row(i));
      std::vector<double> values(table.proxies());
      for (size_t d = 0; d < coarse.size(); ++d) {
        // By how much all items are easier than those of the share, and what the rest of a proxy's
        // items changes.
        std::vector<double> changes;
        for (size_t i : learned_from)
          if (whole[i]) changes.push_back(fine[d][i] - coarse[d][i]);
        const double easier = changes.empty() ? 0 : mean(changes);
        const double error =
            changes.size() < 2 ? 0 : standard_deviation(changes) / std::sqrt(1 - share);
        std::vector<double> scores, errors;
        for (size_t i : learned_from) {
          scores.push_back(whole[i] ? fine[d][i] - easier : coarse[d][i]);
          if (error > 0) errors.push_back(whole[i] ? error * std::sqrt(share) : error);
        }
        PredictorConfig config;
        config.gaussian_process.threads = 1;
        const auto predictor = make_predictor("gaussian_process", config);
        predictor->fit(seen, scores, errors);
        const auto predicted = predictor->predict(table.mixtures);
        for (size_t i = 0; i < values.size(); ++i)
          values[i] += predicted[i] / standard_deviation(scores);
      }
      return values;
    };
    const std::vector<double> first = predict();
    if (finished == 0) return regret_of(goal, best_of(first, order));
    std::vector<size_t> best = learned_from;
    std::stable_sort(
        best.begin(), best.end(), [&](size_t a, size_t b) { return first[a] > first[b]; });
    for (size_t i = 0; i < finished; ++i) whole[best[i]] = true;
    return regret_of(goal, best_of(predict(), order));
  }
};

// Proxies whose ability in a domain is a smooth landscape's score. An item is answered rightly
// where
//     spread · ability + Σ_j w_j effect_j > difficulty
// with a normal difficulty and, of each item, a normal effect of each dataset: accuracies differ by
// two points between typical mixtures, and one item in eight flips.
World simulated_accuracies(size_t datasets, size_t proxies, size_t items, uint64_t seed) {
  constexpr double kSpread = 0.05;
  World world;
  Table& table = world.table;
  table.mixtures = Points(datasets);
  Rng rng = Rng(seed).stream("accuracies");
  for (size_t i = 0; i < proxies; ++i)
    table.mixtures.add(rng.dirichlet(std::vector<double>(datasets, i % 2 == 0 ? 1.0 : 0.4)));
  auto abilities = smooth_landscape(datasets, seed).scores(table.mixtures);
  world.goal = standardised_mean(abilities);
  for (size_t d = 0; d < abilities.size(); ++d) {
    const std::string domain = fmt::format("domain_{}", d);
    table.domains.push_back(domain);
    MetricItems& metric = table.metrics.emplace_back(
        MetricItems{domain, 1, {}, std::vector<std::vector<double>>(proxies)});
    const double centre = mean(abilities[d]), spread = standard_deviation(abilities[d]);
    for (size_t item = 0; item < items; ++item) {
      const double difficulty = rng.normal();
      std::vector<double> effects(datasets);
      for (double& effect : effects) effect = rng.normal();
      for (size_t i = 0; i < proxies; ++i) {
        const double latent =
            kSpread * (abilities[d][i] - centre) / spread +
            std::inner_product(effects.begin(), effects.end(), table.mixtures.row(i).begin(), 0.0);
        metric.x[i].push_back(latent > difficulty);
      }
    }
  }
  return world;
}

struct Study {
  std::vector<World> worlds;  // one for all seeds, or one for each
  int seeds = 20, threads = 0;
  std::string only;                // rows that contain it
  std::vector<double> first = {};  // regrets of the first row of a predictor

  void print(const std::string& what,
             double cost,
             bool learns,
             const std::function<double(const World&, Rng&)>& regret_by) {
    if (what.find(only) == std::string::npos) return;
    std::vector<double> regrets(static_cast<size_t>(seeds));
    parallel_for(regrets.size(), threads, [&](size_t seed) {
      Rng rng = Rng(seed + 1).stream("race");
      regrets[seed] = regret_by(worlds[worlds.size() == 1 ? 0 : seed], rng);
    });
    const MeanInterval own = bootstrap(regrets);
    std::string less;
    if (learns && first.empty()) first = regrets;
    if (learns) {
      const MeanInterval difference = paired(regrets, first);
      less = fmt::format(
          " {:+.3f} [{:+.3f}, {:+.3f}] |", difference.mean, difference.low, difference.high);
    }
    fmt::print("| {} | {:.2f} | {:.3f} [{:.3f}, {:.3f}] |{}\n",
               what,
               cost,
               own.mean,
               own.low,
               own.high,
               less);
    std::fflush(stdout);
  }

  void subsets() {
    for (double share : {0.06, 0.125, 0.25, 0.5}) {
      for (const bool informed : {false, true}) {
        print(
            fmt::format("{:g} of the items, {}", share, informed ? "by information" : "random"),
            share,
            false,
            [=](const World& world, Rng& rng) { return world.best_of_all(share, informed, rng); });
      }
    }
  }

  void halving() {
    double cost = 0, left = 1;
    for (double share = 0.125, before = 0; share <= 1; before = share, share *= 2, left /= 2)
      cost += left * (share - before);
    print("successive halving from an eighth of the items",
          cost,
          false,
          [](const World& world, Rng& rng) { return world.halved(rng); });
  }

  void predictors(size_t budget) {
    const auto row = [&](size_t rows, double share, bool informed) {
      if (rows > worlds[0].table.proxies()) return;
      print(
          fmt::format(
              "{} proxies on {:g} of the items{}", rows, share, informed ? " by information" : ""),
          static_cast<double>(rows) * share,
          true,
          [=](const World& world, Rng& rng) {
            return world.learned(rows, share, informed, 0, rng);
          });
    };
    row(budget, 1, false);
    for (double share : {0.5, 0.25, 0.125}) {
      const auto rows = static_cast<size_t>(static_cast<double>(budget) / share);
      for (const bool informed : {false, true}) row(rows, share, informed);
    }
    for (double share : {0.8, 0.65, 0.5, 0.25, 0.125}) row(budget, share, false);
  }

  void finishing(size_t budget) {
    for (double share : {0.5, 0.25, 0.125}) {
      const auto rows = static_cast<size_t>(0.75 * static_cast<double>(budget) / share);
      const auto finished = static_cast<size_t>(0.25 * static_cast<double>(budget) / (1 - share));
      if (rows + finished > worlds[0].table.proxies()) continue;
      print(fmt::format(
                "{} proxies on {:g} of the items, then the best {} on all", rows, share, finished),
            static_cast<double>(rows) * share + static_cast<double>(finished) * (1 - share),
            true,
            [=](const World& world, Rng& rng) {
              return world.learned(rows, share, false, finished, rng);
            });
    }
  }
};

}  // namespace
}  // namespace demix

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.empty())
      throw demix::Error(
          "usage: bench_race TABLE.items.jsonl|accuracies_7|accuracies_15 [OPTIONS]");
    demix::Study study;
    size_t budget = 28, items = 1000;
    for (size_t i = 1; i + 1 < arguments.size(); i += 2) {
      if (arguments[i] == "--seeds") {
        study.seeds = std::stoi(arguments[i + 1]);
      } else if (arguments[i] == "--threads") {
        study.threads = std::stoi(arguments[i + 1]);
      } else if (arguments[i] == "--only") {
        study.only = arguments[i + 1];
      } else if (arguments[i] == "--budget") {
        budget = std::stoul(arguments[i + 1]);
      } else if (arguments[i] == "--items") {
        items = std::stoul(arguments[i + 1]);
      } else {
        throw demix::Error("there is no option '{}'", arguments[i]);
      }
    }
    if (arguments[0].starts_with("accuracies_")) {
      const size_t datasets = std::stoul(arguments[0].substr(11));
      study.worlds.resize(static_cast<size_t>(study.seeds));
      demix::parallel_for(study.worlds.size(), study.threads, [&](size_t i) {
        study.worlds[i] = demix::simulated_accuracies(datasets, 400, items, i + 1);
      });
    } else {
      demix::World& world = study.worlds.emplace_back();
      world.table = demix::read_table(arguments[0]);
      demix::Rng rng(1);
      world.goal = demix::standardised_mean(
          demix::domain_scores(world.table, demix::at_random(world.table, rng), 1));
    }
    fmt::print(
        "{} proxies, {} metrics: what, cost in proxies with all items (per proxy above), "
        "regret [95 %], and less that of the first predictor's\n",
        study.worlds[0].table.proxies(),
        study.worlds[0].table.metrics.size());
    study.subsets();
    study.halving();
    study.predictors(budget);
    study.finishing(budget);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_race: {}\n", demix::error_chain(error));
    return 1;
  }
}
