#include "demix/study/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <span>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/search/objective.h"

namespace demix {
namespace {

using Table = std::vector<std::vector<double>>;  // [domain][reference]
using Statistic = std::optional<double> (*)(std::span<const double>, std::span<const double>);

constexpr std::pair<const char*, Statistic> kStatistics[] = {
    {"spearman", spearman},
    {"spearman_top25", spearman_top_quartile},
    {"pearson", pearson},
    {"capability_recovery", capability_recovery},
    {"regret", regret},
};
constexpr const char* kCompared[] = {"interpolation", "own_share", "merge"};

std::vector<double> chosen(const std::vector<double>& values, std::span<const size_t> places) {
  std::vector<double> result;
  for (const size_t place : places) result.push_back(values[place]);
  return result;
}

std::optional<double> of_domain(Statistic statistic,
                                const std::vector<double>& estimate,
                                const std::vector<double>& truth,
                                std::span<const size_t> places) {
  return statistic(chosen(estimate, places), chosen(truth, places));
}

// The mean over domains; no value where one has none.
std::optional<double> of_all_domains(Statistic statistic,
                                     const Table& estimate,
                                     const Table& truth,
                                     std::span<const size_t> places) {
  double sum = 0;
  for (size_t d = 0; d < truth.size(); ++d) {
    const auto value = of_domain(statistic, estimate[d], truth[d], places);
    if (!value) return std::nullopt;
    sum += *value;
  }
  return sum / static_cast<double>(truth.size());
}

// A statistic of estimates, averaged over the experiments of an arm.
using OfTables =
    std::function<std::optional<double>(const Table& estimate, std::span<const size_t> places)>;

ReferenceStatistic averaged(const std::vector<const Table*>& estimates, OfTables statistic) {
  return [estimates, statistic = std::move(statistic)](std::span<const size_t> places) {
    double sum = 0;
    for (const Table* estimate : estimates) {
      const auto value = statistic(*estimate, places);
      if (!value) return std::optional<double>();
      sum += *value;
    }
    return std::optional<double>(sum / static_cast<double>(estimates.size()));
  };
}

// Estimates of the same experiments by two choosers: the mean difference.
ReferenceStatistic difference(ReferenceStatistic a, ReferenceStatistic b) {
  return [a = std::move(a), b = std::move(b)](std::span<const size_t> places) {
    const auto of_a = a(places), of_b = b(places);
    return of_a && of_b ? std::optional<double>(*of_a - *of_b) : std::nullopt;
  };
}

// The objective of every reference among all of them: that of one mixture for all domains.
std::vector<double> objective(const Table& scores) { return mean_percentile_rank(scores); }

class Agreements {
 public:
  Agreements(const StudyTables& tables, const Rng& rng, const BootstrapConfig& config)
      : tables_(tables), rng_(rng), config_(config), truth_(trained_scores(tables, &references_)) {
    truth_objective_ = objective(truth_);
  }

  std::vector<AgreementRow> rows();

 private:
  void read_estimates();
  void add_means();
  void add(const std::string& experiment,
           const std::string& chooser,
           const std::string& scope,
           const std::string& statistic,
           const ReferenceStatistic& of);
  // `estimates` by chooser, one table per experiment.
  void add_choosers(const std::string& experiment,
                    const std::map<std::string, std::vector<const Table*>>& estimates);
  void add_ceiling();
  OfTables macro_regret() const;

  const StudyTables& tables_;
  const Rng& rng_;
  const BootstrapConfig& config_;
  std::vector<std::string> references_;
  Table truth_;
  std::vector<double> truth_objective_;
  std::vector<std::string> experiments_, arms_;                    // in order
  std::map<std::string, std::map<std::string, Table>> estimates_;  // by experiment, chooser
  std::vector<AgreementRow> rows_;
};

// "quarter.1" -> "quarter"
std::string arm_of(const std::string& experiment) {
  return experiment.substr(0, experiment.rfind('.'));
}

void Agreements::read_estimates() {
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < references_.size(); ++i) place[references_[i]] = i;
  const Table nothing(truth_.size(), std::vector<double>(references_.size(), std::nan("")));
  for (const EstimateRow& row : tables_.estimates) {
    if (!estimates_.contains(row.experiment)) {
      experiments_.push_back(row.experiment);
      const std::string arm = arm_of(row.experiment);
      if (std::find(arms_.begin(), arms_.end(), arm) == arms_.end()) arms_.push_back(arm);
    }
    const auto reference = place.find(row.reference);
    if (reference == place.end())
      throw Error("estimates: experiment {}, chooser {}: there is no reference '{}'",
                  row.experiment,
                  row.chooser,
                  row.reference);
    Table& table = estimates_[row.experiment].try_emplace(row.chooser, nothing).first->second;
    for (size_t d = 0; d < truth_.size(); ++d) table[d][reference->second] = row.scores[d];
  }
  for (auto& [experiment, choosers] : estimates_) {
    // A chooser that misses a reference is compared with none: the others would have other ones.
    std::erase_if(choosers, [](const auto& chooser) {
      return std::any_of(
          chooser.second.begin(), chooser.second.end(), [](const std::vector<double>& scores) {
            return std::any_of(
                scores.begin(), scores.end(), [](double s) { return std::isnan(s); });
          });
    });
  }
}

void Agreements::add(const std::string& experiment,
                     const std::string& chooser,
                     const std::string& scope,
                     const std::string& statistic,
                     const ReferenceStatistic& of) {
  rows_.push_back({experiment,
                   chooser,
                   scope,
                   statistic,
                   bootstrap(references_.size(), of, rng_.stream("references"), config_)});
}

OfTables Agreements::macro_regret() const {
  return [this](const Table& estimate, std::span<const size_t> places) {
    return regret(chosen(objective(estimate), places), chosen(truth_objective_, places));
  };
}

void Agreements::add_choosers(const std::string& experiment,
                              const std::map<std::string, std::vector<const Table*>>& estimates) {
  const OfTables macro_spearman = [this](const Table& estimate, std::span<const size_t> places) {
    return of_all_domains(spearman, estimate, truth_, places);
  };
  for (const auto& [chooser, tables] : estimates) {
    for (const auto& [name, statistic] : kStatistics) {
      const auto over_all = statistic == regret
                                ? macro_regret()
                                : OfTables([this, statistic = statistic](
                                               const Table& e, std::span<const size_t> places) {
                                    return of_all_domains(statistic, e, truth_, places);
                                  });
      add(experiment, chooser, "macro", name, averaged(tables, over_all));
      for (size_t d = 0; d < truth_.size(); ++d) {
        add(experiment,
            chooser,
            tables_.domains[d],
            name,
            averaged(
                tables,
                [this, d, statistic = statistic](const Table& e, std::span<const size_t> places) {
                  return of_domain(statistic, e[d], truth_[d], places);
                }));
      }
    }
    for (const char* compared : kCompared) {
      const auto other = estimates.find(compared);
      if (chooser == compared || other == estimates.end()) continue;
      add(experiment,
          chooser,
          "macro",
          fmt::format("spearman_lead.{}", compared),
          difference(averaged(tables, macro_spearman), averaged(other->second, macro_spearman)));
      add(experiment,
          chooser,
          "macro",
          fmt::format("regret_lead.{}", compared),
          difference(averaged(tables, macro_regret()), averaged(other->second, macro_regret())));
    }
  }
}

// How well one training of the references foretells the others.
void Agreements::add_ceiling() {
  const uint64_t first = tables_.references.front().seed;
  StudyTables again = tables_, others = tables_;
  std::erase_if(again.references, [&](const ReferenceRow& row) { return row.seed != first; });
  std::erase_if(others.references, [&](const ReferenceRow& row) { return row.seed == first; });
  if (others.references.empty()) return;
  const Table estimate = trained_scores(again);
  Agreements part(others, rng_, config_);
  part.add_choosers("references", {{"trained_again", {&estimate}}});
  rows_.insert(rows_.end(), part.rows_.begin(), part.rows_.end());
}

std::vector<AgreementRow> Agreements::rows() {
  read_estimates();
  add_ceiling();
  for (const std::string& arm : arms_) {
    std::map<std::string, std::vector<const Table*>> of_arm;
    std::map<std::string, Table> means;
    for (const std::string& experiment : experiments_) {
      if (arm_of(experiment) != arm) continue;
      std::map<std::string, std::vector<const Table*>> of_experiment;
      for (const auto& [chooser, table] : estimates_.at(experiment)) {
        of_experiment[chooser] = {&table};
        of_arm[chooser].push_back(&table);
        Table& mean = means.try_emplace(chooser, table).first->second;
        if (of_arm[chooser].size() == 1) continue;
        for (size_t d = 0; d < table.size(); ++d)
          for (size_t i = 0; i < table[d].size(); ++i) mean[d][i] += table[d][i];
      }
      add_choosers(experiment, of_experiment);
    }
    if (std::all_of(
            of_arm.begin(), of_arm.end(), [](const auto& one) { return one.second.size() == 1; }))
      continue;
    add_choosers(arm, of_arm);
    // Sums rank as means do; recovery compares sizes.
    for (auto& [chooser, mean] : means)
      for (auto& scores : mean)
        for (double& score : scores) score /= static_cast<double>(of_arm[chooser].size());
    std::map<std::string, std::vector<const Table*>> of_means;
    for (const auto& [chooser, mean] : means) of_means[chooser] = {&mean};
    add_choosers(arm + ".mean", of_means);
  }
  return std::move(rows_);
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{:.4f}", *value) : "";
}

std::string interval(const Evidence& evidence) {
  if (!evidence.value) return "–";
  if (!evidence.low || !evidence.high) return fmt::format("{:.2f}", *evidence.value);
  return fmt::format("{:.2f} [{:.2f}, {:.2f}]", *evidence.value, *evidence.low, *evidence.high);
}

}  // namespace

std::vector<AgreementRow> agreement_of(const StudyTables& tables,
                                       const Rng& rng,
                                       const BootstrapConfig& config) {
  if (tables.references.empty()) return {};
  return Agreements(tables, rng, config).rows();
}

std::string agreement_csv(const std::vector<AgreementRow>& rows) {
  std::string csv = "experiment,chooser,scope,statistic,value,low,high\n";
  for (const AgreementRow& row : rows) {
    csv += fmt::format("{},{},{},{},{},{},{}\n",
                       row.experiment,
                       row.chooser,
                       row.scope,
                       row.statistic,
                       number(row.evidence.value),
                       number(row.evidence.low),
                       number(row.evidence.high));
  }
  return csv;
}

std::string agreement_table(const std::vector<AgreementRow>& rows) {
  std::string text = fmt::format("{:<22}{:<20}{:>22}{:>22}{:>22}\n",
                                 "experiment",
                                 "chooser",
                                 "macro Spearman",
                                 "above interpolation",
                                 "regret");
  std::vector<std::pair<std::string, std::string>> seen;
  std::map<std::pair<std::string, std::string>, std::map<std::string, Evidence>> found;
  for (const AgreementRow& row : rows) {
    if (row.scope != "macro") continue;
    const auto key = std::pair(row.experiment, row.chooser);
    if (!found.contains(key)) seen.push_back(key);
    found[key][row.statistic] = row.evidence;
  }
  for (const auto& key : seen) {
    text += fmt::format("{:<22}{:<20}{:>22}{:>22}{:>22}\n",
                        key.first,
                        key.second,
                        interval(found[key]["spearman"]),
                        interval(found[key]["spearman_lead.interpolation"]),
                        interval(found[key]["regret"]));
  }
  return text;
}

}  // namespace demix
