// What a study found out, as rows: CSV files from which anyone can compute everything else.
// Scores are oriented: higher is better. Torch-free.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "demix/core/mixture.h"

namespace demix {

// One training of one reference mixture.
struct ReferenceRow {
  std::string reference;
  uint64_t seed = 0;
  std::vector<double> shares;          // data shares, by dataset
  std::vector<double> scores, errors;  // by domain; standard errors over items
};

// What one chooser foretells of one reference; an experiment is an arm and a seed of its
// components.
// Really trained proxies stand under the experiment "references".
struct EstimateRow {
  std::string experiment, chooser, reference;
  std::vector<double> scores;  // by domain
};

// One training of the mixture that a chooser decided for.
struct DecisionRow {
  std::string experiment, chooser;
  uint64_t seed = 0;
  std::vector<double> shares;
  std::vector<double> scores, errors;
  double aggregate = 0;  // mean over domains, each in standard deviations from the references' mean
};

// What is known of an experiment before any reference is trained.
struct SignRow {
  std::string experiment;
  std::map<std::string, double> values;
};

struct StudyTables {
  std::vector<std::string> datasets, domains;
  std::vector<ReferenceRow> references;
  std::vector<EstimateRow> estimates;
  std::vector<DecisionRow> decisions;
  std::vector<SignRow> signs;
};

// The references' mean scores over their seeds, [domain][reference], in the order of their first
// rows; the names in `names`.
std::vector<std::vector<double>> trained_scores(const StudyTables& tables,
                                                std::vector<std::string>* names = nullptr);

// What a chooser foretold, [domain][reference], references as in trained_scores; empty where it did
// not foretell every one.
std::vector<std::vector<double>> estimates_of(const StudyTables& tables,
                                              const std::string& experiment,
                                              const std::string& chooser);

// references.csv, estimates.csv, decisions.csv and signs.csv in `folder`, each whole or as it was.
// The rows of references.csv are repeated for every experiment, so that the two tables join on
// experiment and reference.
void write_tables(const StudyTables& tables, const std::filesystem::path& folder);

// What write_tables wrote. Throws Error, with file and line, on files of another form, on
// references without a score or whose shares do not sum to one, and on fewer than four references.
StudyTables read_tables(const std::filesystem::path& folder);

// The references of such a references.csv, with shares of `datasets`, which sum to one, and scores
// of `domains`. Throws Error on others and on fewer than four references.
std::vector<ReferenceRow> read_references(const std::filesystem::path& path,
                                          const std::vector<std::string>& datasets,
                                          const std::vector<std::string>& domains);

// In the order of their first estimates.
std::vector<std::string> experiments_of(const StudyTables& tables);

// For people: the mean aggregate of each chooser over the trainings of its decision, best first.
std::string decisions_table(const StudyTables& tables);

}  // namespace demix
