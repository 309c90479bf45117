// What strategies are compared by: values paired by seed, with intervals, kept on disk.
#pragma once

#include <algorithm>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"

namespace demix {

struct MeanInterval {
  double mean, low, high;
};

// Mean and 95 % interval by 2,000 bootstrap resamples.
inline MeanInterval bootstrap(const std::vector<double>& values) {
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

inline MeanInterval paired(const std::vector<double>& values,
                           const std::vector<double>& reference) {
  std::vector<double> differences;
  for (size_t i = 0; i < values.size(); ++i) differences.push_back(values[i] - reference[i]);
  return bootstrap(differences);
}

// Values of what has ended, by what it was; also on disk.
class Kept {
 public:
  explicit Kept(std::string file) : file_(std::move(file)) {
    std::ifstream lines(file_);
    for (std::string line; std::getline(lines, line);) {
      const size_t last = line.rfind(';');
      if (last == std::string::npos) continue;
      std::vector<double>& values = values_[line.substr(0, last)];
      values.clear();
      std::string list = line.substr(last + 1) + " ";
      for (size_t blank; (blank = list.find(' ')) != std::string::npos; list.erase(0, blank + 1))
        values.push_back(std::stod(list.substr(0, blank)));
    }
  }
  const std::vector<double>* find(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }
  void add(const std::string& key, const std::vector<double>& values) {
    if (file_.empty()) return;
    const std::lock_guard lock(mutex_);
    std::ofstream(file_, std::ios::app) << fmt::format("{};{:.17g}\n", key, fmt::join(values, " "));
  }

 private:
  std::string file_;
  std::map<std::string, std::vector<double>> values_;
  std::mutex mutex_;
};

}  // namespace demix
