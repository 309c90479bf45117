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

constexpr std::pair<const char*, Statistic> kStatistics[] = {
    {"spearman", spearman},
    {"spearman_top25", spearman_top_quartile},
    {"pearson", pearson},
    {"capability_recovery", capability_recovery},
    {"regret", regret},
};
constexpr std::pair<const char*, Statistic> kLeads[] = {{"spearman_lead", spearman},
                                                        {"regret_lead", regret}};
constexpr const char* kCompared[] = {"interpolation", "own_share", "merge"};

// A statistic of the experiments of an arm, averaged over them.
ReferenceStatistic averaged(std::vector<ReferenceStatistic> statistics) {
  return [statistics =
              std::move(statistics)](std::span<const size_t> places) -> std::optional<double> {
    double sum = 0;
    for (const ReferenceStatistic& statistic : statistics) {
      const auto value = statistic(places);
      if (!value) return std::nullopt;
      sum += *value;
    }
    return sum / static_cast<double>(statistics.size());
  };
}

class Agreements {
 public:
  Agreements(const StudyTables& tables, const Rng& rng, const BootstrapConfig& config)
      : tables_(tables), rng_(rng), config_(config), truth_(trained_scores(tables, &references_)) {
    truth_objective_ = mean_percentile_rank(truth_);
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
  // The statistic of these estimates, averaged over them: of one domain, or over all.
  ReferenceStatistic of(Statistic statistic,
                        const std::vector<const Table*>& estimates,
                        std::optional<size_t> domain = {}) const;

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

ReferenceStatistic Agreements::of(Statistic statistic,
                                  const std::vector<const Table*>& estimates,
                                  std::optional<size_t> domain) const {
  std::vector<ReferenceStatistic> each;
  for (const Table* estimate : estimates) {
    if (domain) {
      each.push_back(of_one(statistic, (*estimate)[*domain], truth_[*domain]));
    } else if (statistic == regret) {
      // One mixture is chosen for all domains.
      each.push_back([objective = mean_percentile_rank(*estimate), this](auto places) {
        return of_one(regret, objective, truth_objective_)(places);
      });
    } else {
      each.push_back(of_domains(statistic, *estimate, truth_));
    }
  }
  return averaged(std::move(each));
}

void Agreements::add_choosers(const std::string& experiment,
                              const std::map<std::string, std::vector<const Table*>>& estimates) {
  for (const auto& [chooser, tables] : estimates) {
    for (const auto& [name, statistic] : kStatistics) {
      add(experiment, chooser, "macro", name, of(statistic, tables));
      for (size_t d = 0; d < truth_.size(); ++d)
        add(experiment, chooser, tables_.domains[d], name, of(statistic, tables, d));
    }
    for (const char* compared : kCompared) {
      const auto other = estimates.find(compared);
      if (chooser == compared || other == estimates.end()) continue;
      for (const auto& [name, statistic] : kLeads)
        add(experiment,
            chooser,
            "macro",
            fmt::format("{}.{}", name, compared),
            difference(of(statistic, tables), of(statistic, other->second)));
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
