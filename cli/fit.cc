#include "demix/search/fit.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "cli/commands.h"
#include "demix/core/config.h"
#include "demix/core/error.h"
#include "demix/core/json.h"
#include "demix/search/swarm_columns.h"
#include "demix/search/swarm_directions.h"
#include "demix/search/tournament.h"

namespace demix::cli {
namespace {

struct Options {
  std::filesystem::path mixtures, scores, config;
  std::vector<std::filesystem::path> holdout;
  std::string prior;
  FitConfig given;  // what the command line says; it goes before the file
  std::vector<std::string> optimise;
  bool json = false;
};

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json to_json(const Interval& interval) {
  return {{"value", interval.value}, {"low", interval.low}, {"high", interval.high}};
}

// In the metric's own unit.
double front_score(const FitResult& result, const FrontPoint& point, size_t m) {
  const auto place =
      std::find(result.metrics.begin(), result.metrics.end(), result.front_metrics[m]);
  const bool higher = result.higher_is_better[static_cast<size_t>(place - result.metrics.begin())];
  return higher ? point.scores[m] : -point.scores[m];
}

Json to_json(const FitResult& result) {
  Json predictors = Json::array(), chosen = Json::object(), directions = Json::object();
  for (const FitTrial& trial : result.trials) {
    predictors.push_back({{"name", trial.predictor},
                          {"metric", trial.metric},
                          {"cv_spearman", number(trial.cv_spearman)},
                          {"cv_r2", number(trial.cv_r2)},
                          {"cv_mae", number(trial.cv_mae)},
                          {"coverage90", number(trial.coverage90)},
                          {"chosen", trial.chosen}});
  }
  Json predicted = Json::object(), predicted_prior = Json::object(), mixture = Json::object(),
       prior = Json::object(), holdout = nullptr;
  for (size_t m = 0; m < result.metrics.size(); ++m) {
    const std::string& metric = result.metrics[m];
    chosen[metric] = result.chosen[m];
    directions[metric] = {{"higher_is_better", bool(result.higher_is_better[m])},
                          {"assumed", !result.told[m]},
                          {"by",
                           result.told[m]        ? "told"
                           : result.by_values[m] ? "values"
                                                 : "name"}};
    predicted[metric] = to_json(result.predicted[m]);
    predicted_prior[metric] = to_json(result.predicted_prior[m]);
  }
  for (size_t j = 0; j < result.datasets.size(); ++j) {
    mixture[result.datasets[j]] = result.mixture[j];
    prior[result.datasets[j]] = result.prior[j];
  }
  Json tolerance = Json::object(), front = Json::array();
  for (size_t j = 0; j < result.tolerance.size(); ++j) {
    const Tolerance& range = result.tolerance[j];
    tolerance[result.datasets[j]] = {{"low", range.low},
                                     {"high", range.high},
                                     {"low_bound", range.low_bound},
                                     {"high_bound", range.high_bound},
                                     {"low_floor", range.low_floor},
                                     {"high_floor", range.high_floor}};
  }
  for (const FrontPoint& point : result.front) {
    Json shares = Json::object(), scores = Json::object();
    for (size_t j = 0; j < result.datasets.size(); ++j)
      shares[result.datasets[j]] = point.merge_weights[j];
    for (size_t m = 0; m < result.front_metrics.size(); ++m) {
      scores[result.front_metrics[m]] = {{"value", front_score(result, point, m)},
                                         {"uncertainty", point.uncertainties[m]}};
    }
    front.push_back({{"mixture", shares}, {"predicted", scores}});
  }
  if (!result.holdout.empty()) {
    Json per_metric = Json::object();
    for (const HoldoutScore& score : result.holdout) {
      per_metric[score.metric] = {{"spearman", number(score.spearman)},
                                  {"r2", number(score.r2)},
                                  {"mae", score.mae},
                                  {"coverage90", score.coverage90}};
    }
    holdout = {{"mean_spearman", number(result.holdout_mean_spearman)}, {"per_metric", per_metric}};
  }
  return {{"runs", result.runs},
          {"predictors", predictors},
          {"chosen", chosen},
          {"directions", directions},
          {"holdout", holdout},
          {"mixture", mixture},
          {"prior", prior},
          {"predicted", predicted},
          {"predicted_prior", predicted_prior},
          {"goal", result.goal},
          {"goal_prior", result.goal_prior},
          {"goal_stderr", result.goal_error},
          {"kl", std::isfinite(result.kl) ? Json(result.kl) : Json(nullptr)},
          {"kl_is_infinite", !std::isfinite(result.kl)},
          {"tolerance", tolerance},
          {"front", front},
          {"climbs",
           {{"started", result.starts},
            {"agreed", result.agreed},
            {"smooth", result.smooth},
            {"by_moves", result.by_moves}}},
          {"warnings", result.warnings}};
}

std::string cell(const std::optional<double>& value, int digits = 3) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "-";
}

size_t widest(const std::vector<std::string>& names, size_t at_least) {
  for (const std::string& name : names) at_least = std::max(at_least, name.size());
  return at_least;
}

void print_directions(const FitResult& result) {
  for (const bool higher : {false, true}) {
    for (const char* how : {"", " (assumed from the names)", " (assumed from the values)"}) {
      std::vector<std::string> names;
      for (size_t m = 0; m < result.metrics.size(); ++m) {
        const char* own = result.told[m]        ? ""
                          : result.by_values[m] ? " (assumed from the values)"
                                                : " (assumed from the names)";
        if (result.higher_is_better[m] == higher && std::string_view(own) == how)
          names.push_back(result.metrics[m]);
      }
      if (names.empty()) continue;
      fmt::print("{} is better{}: {}\n", higher ? "higher" : "lower", how, fmt::join(names, ", "));
    }
  }
}

void print_predictors(const FitResult& result) {
  const size_t width = widest(result.metrics, 6);
  fmt::print("\nPredictors, cross-validated; * is used\n");
  fmt::print("{:<{}}  {:<17} {:>8} {:>7} {:>10} {:>10}\n",
             "metric",
             width,
             "predictor",
             "Spearman",
             "R2",
             "MAE",
             "in 90 %");
  std::string last;
  for (const FitTrial& trial : result.trials) {
    fmt::print("{:<{}} {}{:<17} {:>8} {:>7} {:>10} {:>10}\n",
               trial.metric == last ? "" : trial.metric,
               width,
               trial.chosen ? '*' : ' ',
               trial.predictor,
               cell(trial.cv_spearman),
               cell(trial.cv_r2),
               trial.cv_mae ? fmt::format("{:.4g}", *trial.cv_mae) : "-",
               cell(trial.coverage90, 2));
    last = trial.metric;
  }
}

void print_holdout(const FitResult& result) {
  if (result.holdout.empty()) return;
  const size_t width = widest(result.metrics, 6);
  fmt::print("\nHeld-out runs\n{:<{}}  {:>8} {:>7} {:>10} {:>10}\n",
             "metric",
             width,
             "Spearman",
             "R2",
             "MAE",
             "in 90 %");
  for (const HoldoutScore& score : result.holdout) {
    fmt::print("{:<{}}  {:>8} {:>7} {:>10.4g} {:>10.2f}\n",
               score.metric,
               width,
               cell(score.spearman, 4),
               cell(score.r2),
               score.mae,
               score.coverage90);
  }
  fmt::print("{:<{}}  {:>8}\n", "mean", width, cell(result.holdout_mean_spearman, 4));
}

std::string words_for(const Tolerance& range) {
  const char* low = range.low_bound ? "[" : range.low_floor ? "(" : " ";
  const char* high = range.high_bound ? "]" : range.high_floor ? ")" : " ";
  return fmt::format("{}{:.4f} .. {:.4f}{}", low, range.low, range.high, high);
}

void print_mixture(const FitResult& result) {
  const size_t width = widest(result.datasets, 7);
  fmt::print(
      "\nProposed mixture, and how far each share can move, the others in their ratios, before the "
      "goal falls by {:.3g},\nwhich is what one run's goal differs by from its prediction (one "
      "standard deviation); [ and ] are limits of the\nconstraints, ( and ) those of floors\n"
      "{:<{}}  {:>8} {:>8} {:>20}\n",
      result.goal_error,
      "dataset",
      width,
      "share",
      "prior",
      "from .. to");
  for (size_t j = 0; j < result.datasets.size(); ++j) {
    fmt::print("{:<{}}  {:>8.4f} {:>8.4f} {:>20}\n",
               result.datasets[j],
               width,
               result.mixture[j],
               result.prior[j],
               words_for(result.tolerance[j]));
  }
  if (result.starts > 0) {
    fmt::print(
        "{} of {} climbs by gradients ended equally high{}; ",
        result.agreed,
        result.starts,
        result.smooth
            ? std::string()
            : fmt::format(" on the smooth part of the goal, and small moves over the steps of its "
                          "trees added {:.2g} to the goal of {:.4g}",
                          result.by_moves,
                          result.goal));
  }
  fmt::print("KL from the prior {}\n",
             std::isfinite(result.kl) ? fmt::format("{:.3f}", result.kl) : "infinite");
}

void print_predicted(const FitResult& result) {
  const size_t width = widest(result.metrics, 6);
  fmt::print("\nPredicted scores of one such run, 90 % intervals\n{:<{}}  {:>10} {:>24} {:>10}\n",
             "metric",
             width,
             "value",
             "from .. to",
             "at prior");
  for (size_t m = 0; m < result.metrics.size(); ++m) {
    const Interval& interval = result.predicted[m];
    fmt::print("{:<{}}  {:>10.5g} {:>24} {:>10.5g}\n",
               result.metrics[m],
               width,
               interval.value,
               fmt::format("{:.5g} .. {:.5g}", interval.low, interval.high),
               result.predicted_prior[m].value);
  }
}

void print_front(const FitResult& result) {
  if (result.front.empty()) return;
  fmt::print("\nPareto front, {} mixtures; shares above 0.005\n", result.front.size());
  for (const FrontPoint& point : result.front) {
    std::vector<std::string> scores, shares;
    for (size_t m = 0; m < result.front_metrics.size(); ++m) {
      scores.push_back(
          fmt::format("{} {:.4g}", result.front_metrics[m], front_score(result, point, m)));
    }
    for (size_t j = 0; j < result.datasets.size(); ++j) {
      if (point.merge_weights[j] > 0.005)
        shares.push_back(fmt::format("{} {:.3f}", result.datasets[j], point.merge_weights[j]));
    }
    fmt::print("{}\n    {}\n", fmt::join(scores, ", "), fmt::join(shares, ", "));
  }
}

void print_tables(const FitResult& result) {
  fmt::print("{} runs, {} datasets, {} metrics\n",
             result.runs,
             result.datasets.size(),
             result.metrics.size());
  print_directions(result);
  print_predictors(result);
  print_holdout(result);
  print_mixture(result);
  print_predicted(result);
  print_front(result);
}

// "web=0.6, code=0.4". A dataset's name may have commas.
std::map<std::string, double> parse_prior(const std::string& text) {
  std::map<std::string, double> prior;
  std::string item;
  for (const std::string& piece : CLI::detail::split(text, ',')) {
    item += item.empty() ? piece : "," + piece;
    const size_t equals = item.rfind('=');
    if (equals == std::string::npos) continue;
    const std::string name(without_blanks(std::string_view(item).substr(0, equals)));
    const auto weight = finite_number(without_blanks(std::string_view(item).substr(equals + 1)));
    if (name.empty() || !weight) break;
    if (!prior.try_emplace(name, *weight).second)
      throw Error("--prior: dataset '{}' comes twice", name);
    item.clear();
  }
  if (!without_blanks(item).empty() || prior.empty())
    throw Error("--prior: '{}', expected DATASET=WEIGHT", item.empty() ? text : item);
  return prior;
}

// Prints each warning once.
class Warnings {
 public:
  void print(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings)
      if (printed_.insert(warning).second) fmt::print(stderr, "warning: {}\n", warning);
  }

 private:
  std::set<std::string> printed_;
};

// What the settings name as metrics. Names with commas are still in pieces.
std::vector<std::string> named_metrics(const Options& options, const FitConfig& config) {
  std::vector<std::string> names = options.optimise;
  for (const auto& [name, weight] : config.weights) names.push_back(name);
  for (const auto& [name, most_lost] : config.floors) names.push_back(name);
  for (const FitConfig* from : {&config, &options.given}) {
    names.insert(names.end(), from->higher_is_better.begin(), from->higher_is_better.end());
    names.insert(names.end(), from->lower_is_better.begin(), from->lower_is_better.end());
  }
  return names;
}

// Lists of metrics, whose names may have commas.
void name_metrics(const Options& options,
                  const CLI::App& command,
                  const std::vector<std::string>& metrics,
                  FitConfig& config) {
  const auto said = [&](const char* name) { return command.get_option(name)->count() > 0; };
  if (said("--higher-is-better"))
    config.higher_is_better = joined_to_names(options.given.higher_is_better, metrics);
  if (said("--lower-is-better"))
    config.lower_is_better = joined_to_names(options.given.lower_is_better, metrics);
  if (said("--optimise")) {
    config.weights.clear();
    for (const std::string& name : joined_to_names(options.optimise, metrics))
      config.weights[name] = 1;
  }
}

void fit(const Options& options, const CLI::App& command) {
  FitConfig config;
  if (!options.config.empty()) {
    config = read_config<FitConfig>(ConfigNode::parse_file(options.config));
  }
  const auto said = [&](const char* name) { return command.get_option(name)->count() > 0; };
  if (said("--predictor")) config.predictor = options.given.predictor;
  if (said("--units")) config.units = options.given.units;
  if (said("--kl")) config.kl = options.given.kl;
  if (said("--average-of")) config.average_of = options.given.average_of;
  if (said("--front")) config.front = options.given.front;
  if (said("--prior")) config.prior = parse_prior(options.prior);
  if (said("--ignore")) config.ignore = options.given.ignore;
  if (said("--rescale-rows")) config.rescale_rows = options.given.rescale_rows;
  config.check();
  if (!options.holdout.empty() && options.holdout.size() != 2) {
    throw Error("--holdout names {} files, expected the mixtures and the scores",
                options.holdout.size());
  }
  const SwarmReading how{config.ignore, named_metrics(options, config), config.rescale_rows};
  const Swarm swarm = read_swarm(options.mixtures, options.scores, how);
  name_metrics(options, command, swarm.metrics, config);
  // Before the tables, and before the time that these take.
  Warnings warnings;
  warnings.print(swarm.warnings);
  warnings.print(swarm_directions(swarm, config.higher_is_better, config.lower_is_better).warnings);
  std::optional<Swarm> holdout;
  if (!options.holdout.empty()) holdout = read_swarm(options.holdout[0], options.holdout[1], how);
  const FitResult result = fit_swarm(config, swarm, holdout ? &*holdout : nullptr);
  if (options.json) {
    fmt::print("{}\n", to_json(result).dump(2));
  } else {
    print_tables(result);
  }
  std::fflush(stdout);  // else warnings stand within the tables where both go to one file
  warnings.print(result.warnings);
}

}  // namespace

void add_fit(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("fit", "Predictors and the best mixture from runs that others trained");
  command->add_option("--mixtures", options->mixtures, "CSV: a row per run, a column per dataset")
      ->required();
  command->add_option("--scores", options->scores, "CSV: the same runs, a column per metric")
      ->required();
  command
      ->add_option(
          "--ignore",
          options->given.ignore,
          "columns that are neither datasets nor metrics; mixtures:NAME, scores:NAME in one file")
      ->delimiter(',');
  command->add_flag("--rescale-rows",
                    options->given.rescale_rows,
                    "the mixtures' rows are token counts, percentages or other weights: each is "
                    "divided by its sum");
  command->add_option(
      "--predictor",
      options->given.predictor,
      fmt::format("auto (by cross-validation), {}", fmt::join(competitor_names(), ", ")));
  command->add_option("--holdout", options->holdout, "mixtures and scores of runs to predict: M,S")
      ->delimiter(',');
  command->add_option(
      "--prior", options->prior, "DATASET=WEIGHT,…, such as token counts; else uniform");
  command->add_option("--units",
                      options->given.units,
                      "in which the metrics are added: deviation (over the runs), own, or rank "
                      "(among random mixtures)");
  command->add_option("--kl", options->given.kl, "weight of the divergence from the prior");
  command->add_option("--optimise", options->optimise, "the metrics that count, else all; alike")
      ->delimiter(',');
  command
      ->add_option("--higher-is-better",
                   options->given.higher_is_better,
                   "metrics, patterns such as '*acc*', or all; else by name, or by the values: "
                   "accuracies in [0, 1] or per cent, else losses")
      ->delimiter(',');
  command
      ->add_option("--lower-is-better",
                   options->given.lower_is_better,
                   "metrics, patterns such as '*bpb*', or all")
      ->delimiter(',');
  command->add_option("--front", options->given.front, "mixtures of the Pareto front; 0: none");
  command->add_option("--average-of",
                      options->given.average_of,
                      "the mean of the N best random mixtures instead of the optimum");
  command->add_option("--config",
                      options->config,
                      "YAML with constraints, floors, weights and the predictors' settings");
  command->add_flag("--json", options->json, "one JSON document instead of tables");
  command->footer(
      "Example: demix fit --mixtures train_mixture_1m.csv --scores train_pile_loss_1m.csv \\\n"
      "    --holdout test_mixture_1m.csv,test_pile_loss_1m.csv");
  command->callback([options, command] { fit(*options, *command); });
}

}  // namespace demix::cli
